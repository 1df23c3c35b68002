import { Textarea } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { useDeferredValue, useState } from "react"
import { Section } from "../../parts/Page.tsx"
import classes from "./Privacy.module.css"

const example = "Write to ada@example.org or call +44 20 7946 0958.\nMy card is 4111 1111 1111 1111, my SSN 078-05-1120."

/** The very rules the gate uses, with the world's telephone numbering plans: read when they are looked at. */
const useRules = () => useQuery({ queryKey: ["rules"], queryFn: () => import("../../../privacy/redact.ts"), staleTime: Infinity })

/** Type something, and see what would leave. Nothing of it is kept or sent. */
export const Preview = ({ redacts, region }: { readonly redacts: boolean; readonly region: string | null }) => {
  const [text, setText] = useState(example)
  const rules = useRules().data
  const wanted = useDeferredValue(text)
  const found = redacts && rules !== undefined ? rules.redact(wanted, { defaultRegion: region ?? undefined }).spans : []
  return (
    <Section title="Try it" line={redacts ? "What you type stays on this page." : "Redaction is off: everything leaves as it was written."}>
      <div className={classes["preview"]}>
        <Textarea label="You write" value={text} minRows={4} autosize maxRows={14} onChange={(event) => setText(event.currentTarget.value)} />
        <div className={classes["seen"]}>
          <span className={classes["label"]} id="others-see">Others see</span>
          <output className={classes["output"]} aria-labelledby="others-see" aria-live="polite">{partsOf(wanted, found).map(({ hidden, key, said }) => hidden === undefined ? <span key={key}>{said}</span> : <mark key={key} className={classes["hidden"]}>[REDACTED_{hidden}]</mark>)}</output>
        </div>
      </div>
    </Section>
  )
}

interface Span {
  readonly kind: string
  readonly start: number
  readonly end: number
}

const partsOf = (text: string, spans: ReadonlyArray<Span>) => {
  const parts: Array<{ readonly key: number; readonly said: string; readonly hidden?: string }> = []
  let at = 0
  for (const { end, kind, start } of spans) {
    parts.push({ key: at, said: text.slice(at, start) }, { key: start + 0.5, said: "", hidden: kind })
    at = end
  }
  return [...parts, { key: at, said: text.slice(at) }]
}
