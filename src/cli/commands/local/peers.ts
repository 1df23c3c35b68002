import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { find } from "../../backend.ts"
import { showPeers } from "../../peers.ts"

/** `local peers`: this user's devices, and which of them nobody has confirmed yet. */
export const peers = Command.make(
  "peers",
  {},
  Effect.fn(function*() {
    yield* showPeers(yield* find("local"), "no other devices; pair one with `maestra local pair CODE`")
  })
).pipe(Command.withDescription("Your devices"))
