import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { KeyRows, Rotated } from "../answers.ts"
import { find } from "../backend.ts"
import { ask } from "../call.ts"
import { answer } from "../print.ts"
import { things } from "../rows.ts"
import { table, time } from "../text.ts"

const on = Flag.Literals("on", ["local", "hosted"]).pipe(Flag.withDescription("Which backend on this machine to ask"), Flag.withDefault("local"))

/** `keys list`: what a backend signs with, and did; never a key. */
const list = Command.make("list", { on }, Effect.fn(function*(flags) {
  const { raw, value } = yield* ask(yield* find(flags.on), KeyRows, { method: "GET", path: "/keys" })
  yield* answer(raw, () => things(value.keys, ["kind", "status", "since", "ends_at", "key_id"]))
})).pipe(Command.withDescription("A backend's own keys, and since when"))

const which = Argument.String("key").pipe(
  Argument.withDescription("identity (what it signs and opens with), pairing (a machine's secret), or nats (on hosted)"),
  Argument.withDefault("identity"))

/** `keys rotate`: new keys, for which the old ones stand; what they signed counts for seven days more. */
const rotate = Command.make("rotate", { which, on }, Effect.fn(function*(flags) {
  const { raw, value } = yield* ask(yield* find(flags.on), Rotated, { method: "POST", path: "/keys/rotate", body: { which: flags.which } })
  yield* answer(raw, () =>
    [
      value.sentence,
      table([["  new", value.key_id], ["  before", `${value.previous_key_id}${value.grace_ends_at === null ? "" : `, until ${time(value.grace_ends_at)} UTC`}`]])
    ].join("\n"))
})).pipe(
  Command.withDescription("New keys for a backend; sessions and links go on"),
  Command.withExamples([
    { command: "maestra keys rotate", description: "This machine's" },
    { command: "maestra keys rotate pairing", description: "The secret it shares with the hosted backend" },
    { command: "maestra keys rotate --on hosted", description: "The hosted backend's, on all its processes" },
    { command: "maestra keys rotate nats --on hosted", description: "What the tokens of peers' links are signed with" }
  ])
)

/** `keys …`: the keys a backend proves itself with. */
export const keys = Command.make("keys").pipe(
  Command.withDescription("List a backend's keys, or replace them"),
  Command.withSubcommands([list, rotate])
)
