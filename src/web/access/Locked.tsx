import { Button, Code, PasswordInput, Paper, Stack, Text, Title } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { SaidRefusal } from "../parts/Said.tsx"
import { Mark } from "../shell/Mark.tsx"
import classes from "./Locked.module.css"
import { enter, type Out } from "./session.ts"

const sentences = {
  local: { title: "Open it from a terminal", why: "Only the person at this machine gets in. This command prints an address that lets this browser in, good once and for five minutes:", command: "npx maestra local open" },
  hosted: { title: "For operators", why: "Only operators get in. On its machine, or wherever an admin token is set up, this command prints an address that lets this browser in, good once and for five minutes:", command: "npx maestra hosted open" }
}

/** Why this page, which was open or tried to be, is locked. */
const outs: Partial<Readonly<Record<Out, string>>> = {
  locked: "This page is locked. What let it in opens nothing any more.",
  unheard: "This page is locked. The backend did not hear of it, so what let it in ends there by itself, within eight hours.",
  refused: "What this page came in with does not hold here: it was never good, it was revoked, or its time is over. Come in anew."
}

/** Nobody is let in: how to come in, and what went wrong with the last try or ended the one before. */
export const Locked = ({ out, problem, side }: { readonly side: string; readonly out: Out; readonly problem: Error | null }) => {
  const said = side === "hosted" ? sentences.hosted : sentences.local
  const ended = outs[out]
  return (
    <main className={classes["locked"]}>
      <Paper className={classes["card"]} withBorder>
        <Stack gap="md">
          <Mark />
          <Title order={1}>{said.title}</Title>
          {ended === undefined ? null : <Text role="alert" className={classes["problem"]} data-tone={out === "locked" ? "calm" : undefined}>{ended}</Text>}
          {problem === null || ended !== undefined ? null : <Text role="alert" className={classes["problem"]}><SaidRefusal error={problem} /></Text>}
          <Text c="dimmed">{said.why}</Text>
          <Code block>{said.command}</Code>
          <TokenForm side={side} />
        </Stack>
      </Paper>
    </main>
  )
}

const TokenForm = ({ side }: { readonly side: string }) => {
  const [token, setToken] = useState("")
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (token.trim() !== "") enter(token.trim())
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <PasswordInput
          label={side === "hosted" ? "Or paste an admin token" : "Or paste the local token"}
          description={side === "hosted" ? "hosted/admin-token of the data directory" : "local/token of the data directory"}
          value={token} onChange={(event) => setToken(event.currentTarget.value)} autoComplete="off" />
        <Button type="submit" variant="default" disabled={token.trim() === ""}>Let me in</Button>
      </Stack>
    </form>
  )
}
