import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Duration, Effect } from "effect"
import type { HttpServerRequest } from "effect/http"

/** What is thrown away of a refused body. Bytes; whoever sends more hears it from a closed connection. */
const thrownAwayMaxBytes = 16 * 1024 * 1024
/** Nothing came for so long: the rest will not come. */
const silenceMax = Duration.seconds(1)

/**
 * Read a refused body to its end before the answer: clients that send first and listen then (Python's urllib) would see
 * a broken pipe instead of the refusal. The server's own limit on the time of a request holds here too.
 */
export const readOn = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void> =>
  Effect.suspend(() => {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    let bytes = 0
    const ended = Effect.callback<void>((resume) => {
      const done = () => resume(Effect.void)
      incoming.once("end", done).once("error", done).once("close", done).on("data", (chunk: Uint8Array) => {
        bytes += chunk.length
        if (bytes > thrownAwayMaxBytes) done()
      })
    })
    const silent = Effect.gen(function*() {
      for (let before = -1; before < bytes;) {
        before = bytes
        yield* Effect.sleep(silenceMax)
      }
    })
    return Effect.raceFirst(ended, silent)
  })
