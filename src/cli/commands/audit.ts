import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { AuditPage, AuditVerified } from "../answers.ts"
import { type Backend, find } from "../backend.ts"
import { ask, notUnderstood } from "../call.ts"
import { failed } from "../failure.ts"
import { follow } from "../following.ts"
import { limitFlag } from "../paging.ts"
import { answer, note } from "../print.ts"
import { things } from "../rows.ts"
import { Json } from "../settings.ts"
import { count, oneLine, plural } from "../text.ts"

const columns = ["time", "type", "tenant", "by", "count", "about"]
const followEvery = "1 second"

const flags = {
  on: Flag.Literals("on", ["local", "hosted"]).pipe(Flag.withDescription("Which backend on this machine to ask"), Flag.withDefault("local")),
  tenant: Flag.String("tenant").pipe(Flag.withDescription("With --on hosted: only this tenant's entries, `_` for those of none"), Flag.optional),
  limit: limitFlag(50),
  from: Flag.String("from").pipe(Flag.withDescription("next_cursor of a page before: what came after it"), Flag.optional),
  follow: Flag.Boolean("follow").pipe(Flag.withDescription("Go on as entries come; with --json one a line"), Flag.withDefault(false)),
  verify: Flag.Boolean("verify").pipe(Flag.withDescription("Check every chain of entries instead"), Flag.withDefault(false))
}

/** `audit`: who did what, and with `--verify` whether any of it was altered. */
export const audit = Command.make(
  "audit",
  flags,
  Effect.fn(function*(flags) {
    const backend: Backend = { ...(yield* find(flags.on)), tenant: Option.getOrUndefined(flags.tenant) }
    if (flags.verify) return yield* verify(backend)
    const page = (from: string | undefined, limit: number) => ask(backend, AuditPage, { method: "GET", path: "/audit", query: { from, limit } })
    const { raw, value } = yield* page(Option.getOrUndefined(flags.from), flags.limit)
    if (!flags.follow) return yield* answer(raw, () => value.entries.length === 0 ? "no entries" : things(value.entries.map(row), columns))
    const json = yield* Json
    const print = (entries: ReadonlyArray<typeof AuditPage.Type["entries"][number]>) => Effect.forEach(entries, (entry) => Console.log(json ? JSON.stringify(entry) : line(entry)), { discard: true })
    yield* print(value.entries)
    let cursor = value.next_cursor
    yield* Effect.gen(function*() {
      const next = yield* page(cursor, flags.limit)
      cursor = next.value.next_cursor
      yield* print(next.value.entries)
    }).pipe(Effect.repeat(Schedule.spaced(followEvery)))
  })
).pipe(
  Command.withDescription("Who did what: registrations, refusals, revocations, settings, exports"),
  Command.withExamples([
    { command: "maestra audit --on hosted --follow --json", description: "Entries as JSON lines, as they come" },
    { command: "maestra audit --verify", description: "Exit 1 when an entry was altered or removed" }
  ])
)

type Entry = typeof AuditPage.Type["entries"][number]

const about = ({ data }: Entry): string => Object.entries(data).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ")
const row = (entry: Entry) => ({ ...entry, about: about(entry) })
const line = (entry: Entry): string => oneLine([entry.time, entry.type, entry.tenant ?? "", `by ${entry.by}`, about(entry), entry.count === undefined ? "" : `(${entry.count} times)`].filter((part) => part !== "").join("  "), 400)

const verify = Effect.fnUntraced(function*(backend: Backend) {
  const { result } = yield* follow(backend, "verifying", { method: "POST", path: "/audit/verify" })
  const checked = yield* Schema.decodeUnknownEffect(AuditVerified)(result).pipe(Effect.mapError(() => notUnderstood))
  yield* answer(result, () => `${checked.ok ? "all holds" : "damaged"}: ${plural(checked.entries, "entry", "entries")} in ${plural(checked.chains.length, "chain")}`)
  if (checked.ok) return
  for (const { place, what } of checked.problems) yield* note(`entry at ${count(place)} ${what}`)
  return yield* failed("audit-damaged", "the audit was altered, or part of it is missing", "Compare it with a backup; entries before and after the places named are as they were written.")
})
