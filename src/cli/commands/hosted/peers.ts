import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { find } from "../../backend.ts"
import { showPeers } from "../../peers.ts"

/** `hosted peers`: every device of every user. */
export const peers = Command.make(
  "peers",
  {},
  Effect.fn(function*() {
    yield* showPeers(yield* find("hosted"), "no devices yet; `maestra hosted enroll USER` lets the first one in")
  })
).pipe(Command.withDescription("The devices of all users"))
