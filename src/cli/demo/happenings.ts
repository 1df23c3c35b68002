import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { tail } from "../tailing.ts"
import { oneLine } from "../text.ts"
import type { Child } from "./child.ts"

/** So many ids are remembered: an event comes to three backends within seconds. */
const idsMax = 20_000

const Event = Schema.Struct({
  id: Schema.String,
  type: Schema.String,
  time: Schema.String,
  subject: Schema.optionalKey(Schema.String),
  data: Schema.optionalKey(Schema.Unknown)
})

export interface Happening {
  /** Where it was seen first. */
  readonly backend: string
  readonly event: typeof Event.Type
}

/** Every new event of the three, once, where it is seen first. A backend that is away is simply silent. */
export const happenings = (children: ReadonlyArray<Child>, tenant: string) => {
  const ids = new Set<string>()
  const isNew = (id: string): boolean => {
    if (ids.has(id)) return false
    ids.add(id)
    for (const oldest of ids) {
      if (ids.size <= idsMax) break
      ids.delete(oldest)
    }
    return true
  }
  return Stream.mergeAll(children.map((child) => seenBy(child, tenant)), { concurrency: "unbounded" }).pipe(Stream.filter(({ event }) => isNew(event.id)))
}

const readEvent = Schema.decodeUnknownOption(Schema.fromJsonString(Event))

const seenBy = ({ name, find }: Child, tenant: string) =>
  tail({
    backend: Effect.map(find, (backend) => ({ ...backend, tenant: name === "hosted" ? tenant : undefined })),
    from: "now",
    subject: undefined,
    onLost: () => Effect.void
  }).pipe(
    Stream.map(({ data }) => Option.map(readEvent(data), (event): Happening => ({ backend: name, event }))),
    Stream.filter(Option.isSome),
    Stream.map(({ value }) => value)
  )

/** `10:00:01  laptop   message.appended  groceries  buy milk`. */
export const line = ({ backend, event }: Happening): string =>
  `${event.time.slice(11, 19)}  ${backend.padEnd(7)}  ${event.type.padEnd(20)}  ${oneLine(event.subject ?? "", 40)}  ${oneLine(textOf(event.data), 70)}`.trimEnd()

const textOf = (data: unknown): string => {
  if (typeof data !== "object" || data === null) return ""
  if ("content" in data && typeof data.content === "string") return data.content
  return "title" in data && typeof data.title === "string" ? data.title : ""
}
