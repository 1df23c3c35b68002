import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { Row } from "../answers.ts"
import { find } from "../backend.ts"
import { ask, segment } from "../call.ts"
import { misused } from "../failure.ts"
import { answer } from "../print.ts"

/** `debug`: what somebody helping you will ask for. Holds no content and no secrets. */
export const debug = Command.make(
  "debug",
  {
    peer: Argument.String("peer").pipe(Argument.withDescription("A peer id, as `peers` lists them; this machine without it"), Argument.optional),
    on: Flag.Literals("on", ["local", "hosted"]).pipe(Flag.withDescription("Which backend on this machine to ask"), Flag.withDefault("local"))
  },
  Effect.fn(function*({ on, peer }) {
    if (on === "hosted" && Option.isNone(peer)) return yield* misused("peer-missing", "hosted knows many peers; say which", "`maestra hosted peers` lists them.")
    const path = Option.isSome(peer) ? `/debug/sync/${yield* segment(peer.value)}` : "/debug"
    const { raw } = yield* ask(yield* find(on), Row, { method: "GET", path })
    yield* answer(raw, () => JSON.stringify(raw, null, 2))
  })
).pipe(
  Command.withDescription("Why a peer is not in step: session, link, what waits, recent errors"),
  Command.withExamples([{ command: "maestra debug", description: "Everything the local backend knows about its own state" }, { command: "maestra debug PEER --on hosted", description: "A peer as the hosted backend sees it" }])
)
