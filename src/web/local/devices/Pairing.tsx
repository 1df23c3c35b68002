import { Button, Group, Stack, Textarea } from "@mantine/core"
import { IconQrcode } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { say } from "../../live/say.ts"
import { Note } from "../../parts/Note.tsx"
import { Section } from "../../parts/Page.tsx"
import { SaidRefusal } from "../../parts/Said.tsx"
import { useLocal } from "../LocalBackend.ts"
import { canScan, Scanner } from "./Scanner.tsx"

/** Join a hosted backend: the code is pasted, or held in front of the camera where the browser can read it. */
export const Pairing = () => {
  const backend = useLocal()
  const queries = useQueryClient()
  const [code, setCode] = useState("")
  const [scans, setScans] = useState(false)
  const pair = useMutation({
    mutationFn: (given: string) => backend.pair(given.trim()),
    onSuccess: async () => {
      say("Paired. What you have is on its way.")
      await queries.invalidateQueries()
    }
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (code.trim() !== "") pair.mutate(code)
  }
  const read = (given: string) => {
    setScans(false)
    setCode(given)
    pair.mutate(given)
  }
  return (
    <Section title="Pair this machine" line={<>On the hosted machine, <code>npx maestra hosted enroll USER</code> prints a code, good once and for ten minutes.</>}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Textarea label="Pairing code" autosize minRows={3} maxRows={6} spellCheck={false} autoComplete="off" value={code} onChange={(event) => setCode(event.currentTarget.value)} />
          {pair.error === null ? null : <div role="alert"><Note tone="alarm" title="This machine is not paired yet"><SaidRefusal error={pair.error} /></Note></div>}
          <Group gap="sm">
            <Button type="submit" disabled={code.trim() === ""} loading={pair.isPending}>Pair</Button>
            {canScan ? <Button variant="default" leftSection={<IconQrcode size={17} />} onClick={() => setScans(!scans)}>{scans ? "Stop the camera" : "Scan the QR code"}</Button> : null}
          </Group>
        </Stack>
      </form>
      {scans ? <Scanner onCode={read} /> : null}
    </Section>
  )
}
