import { Button, NumberInput, Switch } from "@mantine/core"
import { useState } from "react"
import type { PrivacySettings } from "../../../sdk/typescript/owner/index.ts"
import { Section } from "../../parts/Page.tsx"
import classes from "./Privacy.module.css"
import type { Change } from "./Privacy.tsx"

const daysMax = 36_500

/** For how long hosted keeps what was written, and whether it stays here after that. */
export const Retention = ({ change, settings: { keep_own_copies, retention_days: days } }: { readonly settings: PrivacySettings; readonly change: Change }) => {
  /** Until it is saved; what another device sets shows where nobody is typing. */
  const [typed, setTyped] = useState<number | string | undefined>(undefined)
  const wanted = typed ?? days
  const valid = typeof wanted === "number" && Number.isInteger(wanted) && wanted >= 1 && wanted <= daysMax
  const save = () => {
    if (!valid) return
    change({ retention_days: wanted })
    setTyped(undefined)
  }
  return (
    <Section title="Kept for" line="So long after its last change a conversation leaves the hosted log; writing into it brings it back. Figures about use are kept as long, and a month at least.">
      <div className={classes["row"]}>
        <NumberInput label="Days" value={wanted} min={1} max={daysMax} allowDecimal={false} w={160} onChange={setTyped} {...(valid ? {} : { error: `From 1 to ${daysMax.toLocaleString("en")}` })} />
        <Button variant="default" disabled={!valid || wanted === days} onClick={save}>Save</Button>
      </div>
      <Switch label="Keep my own copies" description="On: what you wrote on a machine stays there when it leaves hosted. Off: it goes there too." checked={keep_own_copies} onChange={(event) => change({ keep_own_copies: event.currentTarget.checked })} />
    </Section>
  )
}
