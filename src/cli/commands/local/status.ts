import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { FiringAlerts, Status } from "../../answers.ts"
import { type Backend, find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer, lineWidth } from "../../print.ts"
import { broken, count, plain, plural, table, time } from "../../text.ts"

/** Ask a local backend how it is, and say so. */
export const localStatus = Effect.fnUntraced(function*(backend: Backend) {
  const { raw, value } = yield* ask(backend, Status, { method: "GET", path: "/status" })
  const wrong = yield* askAlerts(backend)
  yield* answer(raw, () => page(value, backend.url) + alarms(wrong, value.peer_id))
})

/** `local status`, the same as `status`. */
export const status = Command.make(
  "status",
  {},
  Effect.fn(function*() {
    yield* localStatus(yield* find("local"))
  })
).pipe(Command.withDescription("As `maestra status`"))

/** None where they cannot be asked for: the status itself is worth more. */
export const askAlerts = (backend: Backend) =>
  ask(backend, FiringAlerts, { method: "GET", path: "/alerts" }).pipe(
    Effect.map(({ value }) => value),
    Effect.orElseSucceed((): typeof FiringAlerts.Type => ({ alerts: [] })))

/** What fires, and what to do about it. `own`: the peer id of this machine, which is called that. */
export const alarms = ({ alerts }: typeof FiringAlerts.Type, own: string | null = null): string => {
  const firing = alerts.filter(({ status }) => status === "firing").map(({ summary, todo }) => ({ summary: own === null ? summary : summary.replaceAll(own, "this machine"), todo }))
  return firing.length === 0 ? "" : `\n\n${table(firing.flatMap(({ summary, todo }) => [["!", plain(summary)], ["", plain(todo)]]), lineWidth())}`
}

const page = (status: Status, url: string): string => {
  const rows: Array<ReadonlyArray<string>> = [
    ["conversations", `${count(status.conversations)}, ${plural(status.messages, "message")}`],
    ["hosted", status.hosted_url ?? "not paired; `maestra local pair CODE` with a code of `maestra hosted enroll USER`"],
    ["to send", count(status.pending)],
    ["to receive", count(status.behind)],
    ["last sent", status.last_sync === null ? "never" : time(status.last_sync)],
    ["here", url]
  ]
  if (status.conflicts > 0) rows.push(["conflicts", `${count(status.conflicts)}; see \`maestra conflicts\``])
  if (status.quarantined > 0) rows.push(["quarantined", `${plural(status.quarantined, "commit")}; see \`maestra verify\``])
  if (status.set_aside > 0) rows.push(["set aside", `${plural(status.set_aside, "event")} hosted does not take; see \`maestra debug\``])
  return `${broken(plain(status.sentence), lineWidth()).join("\n")}\n\n${table(rows.map(([name = "", value = ""]) => [`  ${name}`, value]), lineWidth())}`
}
