import { Button, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import classes from "./Privacy.module.css"
import type { Change } from "./Privacy.tsx"

const codePattern = /^[A-Z]{2}$/

/** Whose national telephone numbers are known as such, without their country in front. */
export const Region = ({ change, region }: { readonly region: string | null; readonly change: Change }) => {
  const [typed, setTyped] = useState<string | undefined>(undefined)
  const wanted = (typed ?? region ?? "").trim().toUpperCase()
  const valid = wanted === "" || codePattern.test(wanted)
  const save = (event: FormEvent) => {
    event.preventDefault()
    if (!valid) return
    change({ default_region: wanted === "" ? null : wanted })
    setTyped(undefined)
  }
  return (
    <form className={classes["row"]} onSubmit={save}>
      <TextInput label="My country" description="Two letters, such as DE. Its telephone numbers are hidden also where they are written without +49." value={typed ?? region ?? ""} maxLength={2} autoComplete="off" onChange={(event) => setTyped(event.currentTarget.value)} {...(valid ? {} : { error: "Two letters, or none" })} />
      <Button type="submit" variant="default" disabled={!valid || wanted === (region ?? "")}>Save</Button>
    </form>
  )
}
