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
const inWords = (value: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> => {
  const told = Option.getOrUndefined(readParts(value))
  return told === undefined ? {} : {
    log: told.log === null ? "does not answer" : `${plural(told.log.messages, "message")}, ${size(told.log.bytes)}, the last is ${count(told.log.last_seq)}`,
    tenants: told.tenants.length === 0 ? "none; `maestra hosted enroll USER` makes the first" : `${count(told.tenants.length)}: ${told.tenants.map(({ devices, user_id }) => `${user_id} (${plural(devices, "device")})`).join(", ")}`,
    disk: `${told.disk.state}${told.disk.free_bytes === null ? "" : `, ${size(told.disk.free_bytes)} free`}`,
    versions: `nats-server ${told.versions.nats_server}`
  }
}

const readParts = Schema.decodeUnknownOption(Schema.Struct({
  log: Schema.NullOr(Schema.Struct({ messages: Schema.Finite, bytes: Schema.Finite, last_seq: Schema.Finite })),
  tenants: Schema.Array(Schema.Struct({ user_id: Schema.String, devices: Schema.Finite })),
  disk: Schema.Struct({ state: Schema.String, free_bytes: Schema.NullOr(Schema.Finite) }),
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
