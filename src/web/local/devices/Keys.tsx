import { Button } from "@mantine/core"
import { IconKey } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import type { Rotated } from "../../../sdk/typescript/owner/index.ts"
import { sayProblem } from "../../live/say.ts"
import { wholeTime } from "../../live/time.ts"
import { Confirm } from "../../parts/Confirm.tsx"
import { Note } from "../../parts/Note.tsx"
import { Section } from "../../parts/Page.tsx"
import { useLocal } from "../LocalBackend.ts"

/** New keys for this machine; the old ones sign for them. */
export const Keys = () => {
  const backend = useLocal()
  const queries = useQueryClient()
  const [asks, setAsks] = useState(false)
  const rotate = useMutation({
    mutationFn: () => backend.rotateKeys(),
    onSuccess: async () => {
      setAsks(false)
      await queries.invalidateQueries({ queryKey: ["peers"] })
    },
    onError: sayProblem
  })
  return (
    <Section title="Keys of this machine" line="What it signs with. New ones now and then do no harm; for a key that was stolen, have this machine revoked instead." aside={<Button variant="default" size="xs" leftSection={<IconKey size={15} />} onClick={() => setAsks(true)}>Make new keys</Button>}>
      {rotate.data === undefined ? null : <Note title={rotate.data.status === "rotated" ? "New keys are in force" : "New keys are made"}>{sentenceOf(rotate.data)}</Note>}
      <Confirm opened={asks} close={() => setAsks(false)} title="Make new keys?" act="Make new keys" busy={rotate.isPending} onAct={() => rotate.mutate()}>
        Nothing is lost or interrupted. The old key signs for the new one, and counts for seven days more, for what is on its way.
      </Confirm>
    </Section>
  )
}

const sentenceOf = ({ grace_ends_at, key_id, status }: Rotated): string =>
  status === "rotated"
    ? `This machine signs with key ${key_id.slice(0, 16)}… from now on.${grace_ends_at === null ? "" : ` What the old one signed counts until ${wholeTime(grace_ends_at)}.`}`
    : `Key ${key_id.slice(0, 16)}… is kept here, and is in force once hosted has been asked. That happens by itself.`
