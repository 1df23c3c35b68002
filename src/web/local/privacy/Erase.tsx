import { Button, TextInput } from "@mantine/core"
import { IconTrash } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import type { Erased } from "../../../sdk/typescript/owner/index.ts"
import { sayProblem } from "../../live/say.ts"
import { Confirm } from "../../parts/Confirm.tsx"
import { Note } from "../../parts/Note.tsx"
import { Section } from "../../parts/Page.tsx"
import { useIndex } from "../conversations/indexed.ts"
import { useLocal } from "../LocalBackend.ts"

/** What a person types before everything goes. */
const word = "erase"

/** Everything of this person, everywhere, for good: asked for by a word, and told what became of it. */
export const Erase = () => {
  const backend = useLocal()
  const index = useIndex()
  const queries = useQueryClient()
  const [asks, setAsks] = useState(false)
  const [typed, setTyped] = useState("")
  const close = () => {
    setAsks(false)
    setTyped("")
  }
  const erase = useMutation({
    mutationFn: () => backend.erase(),
    onSuccess: async () => {
      close()
      await index.load()
      await queries.invalidateQueries()
    },
    onError: sayProblem
  })
  return (
    <Section title="Erase everything" line="All conversations, telemetry and keys go: at hosted, on this machine, and on your other devices as they hear of it. It cannot be undone; download your data first." aside={<Button variant="light" color="red.8" size="xs" leftSection={<IconTrash size={15} />} onClick={() => setAsks(true)}>Erase</Button>}>
      {erase.data === undefined ? null : <Note title="Everything was erased">{sentenceOf(erase.data)}</Note>}
      <Confirm opened={asks} close={close} title="Erase everything?" act="Erase for good" danger busy={erase.isPending} disabled={typed.trim().toLowerCase() !== word} onAct={() => erase.mutate()}>
        Nobody can bring it back: not you, not the operator of the hosted backend. Pairing ends too.
        <TextInput mt="md" label={`Type "${word}" to go on`} value={typed} autoComplete="off" spellCheck={false} data-autofocus onChange={(event) => setTyped(event.currentTarget.value)} />
      </Confirm>
    </Section>
  )
}

const sentenceOf = ({ devices, tenant, to_do }: Erased): string => {
  const waiting = devices.filter(({ reached }) => !reached).length
  return [
    tenant === null ? "This machine holds nothing any more." : "Hosted holds nothing of you any more but the receipt that says so, and this machine holds nothing.",
    ...(waiting === 0 ? [] : [waiting === 1 ? "One device has not heard of it yet and erases what it holds when it comes online." : `${waiting} devices have not heard of it yet and erase what they hold when they come online.`]),
    ...(to_do === null ? [] : [`For the operator: ${to_do}`])
  ].join(" ")
}
