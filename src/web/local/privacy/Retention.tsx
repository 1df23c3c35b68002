import { Button, NumberInput } from "@mantine/core"
import { useState } from "react"
import { Section } from "../../parts/Page.tsx"
import classes from "./Privacy.module.css"
import type { Change } from "./Privacy.tsx"

const daysMax = 36_500

/** For how long hosted keeps what was written. */
export const Retention = ({ change, days }: { readonly days: number; readonly change: Change }) => {
  const [wanted, setWanted] = useState<number | string>(days)
  const valid = typeof wanted === "number" && Number.isInteger(wanted) && wanted >= 1 && wanted <= daysMax
  return (
    <Section title="Kept for" line="Older conversations leave the hosted log. Writing into one brings it back.">
      <div className={classes["row"]}>
        <NumberInput label="Days" value={wanted} min={1} max={daysMax} allowDecimal={false} w={160} onChange={setWanted} {...(valid ? {} : { error: `From 1 to ${daysMax}` })} />
        <Button variant="default" disabled={!valid || wanted === days} onClick={() => valid ? change({ retention_days: wanted }) : undefined}>Save</Button>
      </div>
    </Section>
  )
}
