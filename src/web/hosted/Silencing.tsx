import { Button, SegmentedControl } from "@mantine/core"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import type { Alert, Silence } from "../../sdk/typescript/owner/index.ts"
import { say, sayProblem } from "../live/say.ts"
import { wholeTime } from "../live/time.ts"
import { focusMain } from "../navigation/route.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { useHosted } from "./Operated.ts"

/** For how long, minutes. */
const spans = [["1 hour", 60], ["1 day", 1440], ["1 week", 10_080]] as const

const useSilence = (done: (silence: Silence) => void) => {
  const backend = useHosted()
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ about, minutes }: { readonly about: Pick<Silence, "kind" | "subject">; readonly minutes: number }) => backend.silence(about, minutes),
    onSuccess: async (silence) => {
      done(silence)
      await queries.invalidateQueries({ queryKey: ["hosted", "alerts"] })
    },
    onError: sayProblem
  })
}

/** Tell nobody of this alert for a while, once its reader said so twice. */
export const SilenceAlert = ({ alert: { kind, subject, summary } }: { readonly alert: Alert }) => {
  const [asks, setAsks] = useState(false)
  const [span, setSpan] = useState<string>(spans[0][0])
  const silence = useSilence(({ until }) => {
    setAsks(false)
    say(`Nobody is told of ${kind} about ${subject} until ${wholeTime(until)}.`)
  })
  const minutes = spans.find(([name]) => name === span)![1]
  return (
    <>
      <Button size="compact-sm" variant="default" aria-label={`Silence: ${summary}`} onClick={() => setAsks(true)}>Silence</Button>
      <Confirm opened={asks} close={() => setAsks(false)} title="Silence this alert?" act="Silence" busy={silence.isPending} onAct={() => silence.mutate({ about: { kind, subject }, minutes })}>
        Nobody is told of <code>{kind}</code> about <code>{subject}</code> for so long: no webhook, no line in the log. It stays listed here, and what is wrong stays wrong.
        <SegmentedControl mt="md" fullWidth aria-label="For how long" value={span} onChange={setSpan} data={spans.map(([name]) => name)} />
      </Confirm>
    </>
  )
}

export const EndSilence = ({ silence: { kind, subject } }: { readonly silence: Silence }) => {
  const silence = useSilence(() => {
    say("It is told again.")
    focusMain()
  })
  return <Button size="compact-sm" variant="default" loading={silence.isPending} aria-label={`Tell again of ${kind ?? "any kind"} about ${subject ?? "anything"}`} onClick={() => silence.mutate({ about: { kind, subject }, minutes: 0 })}>Tell again</Button>
}
