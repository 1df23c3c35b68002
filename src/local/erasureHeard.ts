import { Effect, Option } from "effect"
import type { ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import type { EventLog } from "../nats/EventLog.ts"
import type { LogEntry } from "../security/openLog.ts"

interface Places {
  readonly event: number
  readonly record: number
}

/** Where hosted says, in a record that holds, that everything is erased: the event, and its record. */
export const erasureIn = (item: LogEntry): ReadonlyArray<Places> =>
  item.kind === "commit" && item.record.author === "hosted"
    ? item.events.flatMap((event) => event._tag === "opened" && event.opened.fact.type === "tenant.erased" ? [{ event: event.seq, record: item.seq }] : [])
    : []

const decoder = new TextDecoder()

/** The same as a receipt, for those who read no log. */
export const receiptAt = Effect.fnUntraced(function*(log: Pick<EventLog, "get">, at: Places) {
  const [event, record] = [yield* log.get(at.event), yield* log.get(at.record)]
  return Option.isSome(event) && Option.isSome(record)
    ? { event: decoder.decode(event.value.data), record: decoder.decode(record.value.data) } satisfies ErasureReceipt
    : undefined
})
