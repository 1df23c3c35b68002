import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { size } from "../../../../streams/size.ts"
import { Row } from "../../answers.ts"
import { type Backend, find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { alarms, askAlerts } from "../local/status.ts"
import { facts } from "../../rows.ts"
import { count, plural } from "../../text.ts"

/** Ask the hosted backend how it is, and say so. */
export const hostedStatus = Effect.fnUntraced(function*(backend: Backend) {
  const { raw, value } = yield* ask(backend, Row, { method: "GET", path: "/status" })
  const wrong = yield* askAlerts(backend)
  yield* answer(raw, () => facts({ ...value, ...inWords(value), here: backend.url }) + alarms(wrong))
})

/** The parts of the answer that are more than one value, as a person reads them. What is not as expected stays as it is. */
export const inWords = (value: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> => {
  const told = Option.getOrUndefined(readParts(value))
  return told === undefined ? {} : {
    ...(told.partitions === undefined ? { log: logInWords([{ log: told.log }]) } : { log: logInWords(told.partitions), partitions: told.partitions.map(({ name }) => name).join(", ") }),
    tenants: told.tenants.length === 0 ? "none; `maestra hosted enroll USER` makes the first" : `${count(told.tenants.length)}: ${told.tenants.map(({ devices, user_id }) => `${user_id} (${plural(devices, "device")})`).join(", ")}`,
    log_epoch: String(told.log_epoch),
    disk: room(told.disk),
    ...(told.server_disks === undefined ? {} : { server_disks: told.server_disks.map((disk) => `${disk.server} ${room(disk)}`).join("; ") || "nobody watches them: run `maestra hosted cluster disk` beside each" }),
    versions: `nats-server ${told.versions.nats_server}`
  }
}

const logInWords = (parts: ReadonlyArray<{ readonly log: typeof Log.Type | null }>): string => {
  const logs = parts.flatMap(({ log }) => log === null ? [] : [log])
  const sum = (of: (log: typeof Log.Type) => number) => logs.reduce((all, log) => all + of(log), 0)
  const held = `${plural(sum(({ messages }) => messages), "message")}, ${size(sum(({ bytes }) => bytes))}`
  if (logs.length < parts.length) return parts.length === 1 ? "does not answer" : `${parts.length - logs.length} of ${parts.length} partitions do not answer; ${held} in the others`
  return parts.length === 1 ? `${held}, the last is ${count(logs[0]!.last_seq)}` : `${held} in ${parts.length} partitions`
}

const room = ({ free_bytes, state }: { readonly state: string; readonly free_bytes: number | null }): string =>
  `${state}${free_bytes === null ? "" : `, ${size(free_bytes)} free`}`

const Log = Schema.Struct({ messages: Schema.Finite, bytes: Schema.Finite, last_seq: Schema.Finite })
const Room = { state: Schema.String, free_bytes: Schema.NullOr(Schema.Finite) }
const readParts = Schema.decodeUnknownOption(Schema.Struct({
  log: Schema.NullOr(Log),
  tenants: Schema.Array(Schema.Struct({ user_id: Schema.String, devices: Schema.Finite })),
  partitions: Schema.optionalKey(Schema.Array(Schema.Struct({ name: Schema.String, log: Schema.NullOr(Log) }))),
  log_epoch: Schema.Int,
  disk: Schema.Struct(Room),
  server_disks: Schema.optionalKey(Schema.Array(Schema.Struct({ server: Schema.String, ...Room }))),
  versions: Schema.Struct({ nats_server: Schema.String })
}))

/** `hosted status`, the same as `status --on hosted`. */
export const status = Command.make(
  "status",
  {},
  Effect.fn(function*() {
    yield* hostedStatus(yield* find("hosted"))
  })
).pipe(Command.withDescription("How the hosted backend on this machine is"))
