// Goal: a pause stops what is on its way to hosted over HTTP too: the round under way, and the request in it.
// Method: a hosted side that takes a registration and does not answer, several companions that wait to be told of, a pause in the middle.
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, SubscriptionRef } from "effect"
import { forwardCompanions } from "../../src/local/companionRelay.ts"
import type { Companion } from "../../src/local/companions.ts"
import { makeState, unlessPaused } from "../../src/local/State.ts"
import { until } from "../support/world.ts"

const companion = (n: number): Companion => ({
  backend_id: `web_sha256_${n}`, peer_id: `peer_${n}`, expires_at: "2999-01-01T00:00:00.000Z",
  identity: { backend_id: `web_sha256_${"0".repeat(64)}`, backend_type: "companion", public_key: "", wrap_key: "", capabilities: [], version: "1.0", created_at: "2026-11-22T10:00:00.000Z" },
  forward: { backend_identity: { n }, sbt: "", proof: "" }
})

/** Takes requests, and answers none until it is told to. */
const slowHosted = Effect.acquireRelease(Effect.promise(async () => {
  const seen = { begun: 0, cut: 0, answers: false }
  const server = createServer((request, response) => {
    seen.begun++
    response.once("close", () => { if (!response.writableFinished) seen.cut++ })
    request.resume()
    if (seen.answers) response.writeHead(200, { "content-type": "application/json" }).end("{}")
  })
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  return { seen, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}), ({ server }) => Effect.sync(() => {
  server.closeAllConnections()
  server.close()
}))

describe("a pause", () => {
  it.live("ends the round of registrations under way, and the one that is being sent; resumed, all go", () =>
    Effect.gen(function*() {
      const { seen, url } = yield* slowHosted
      const state = yield* makeState(yield* SubscriptionRef.make({ up: true, since: 0 }), Option.none(), false, 0)
      const known = new Map([1, 2, 3].map((n) => [`peer_${n}`, companion(n)]))
      const companions = {
        all: () => [...known.values()], of: (peer: string) => known.get(peer), forgetAll: Effect.void,
        keep: (one: Companion) => Effect.sync(() => void known.set(one.peer_id, one))
      }
      yield* Effect.forkScoped(forwardCompanions({ state, companions, hostedUrl: () => url }))
      yield* Effect.promise(() => until(() => seen.begun === 1, 10_000))
      yield* SubscriptionRef.set(state.paused, true)
      yield* Effect.promise(() => until(() => seen.cut === 1, 10_000))
      // the round is over when it waits for the end of the pause: it would have begun the next request before
      for (let turns = 0; turns < 100; turns++) yield* Effect.yieldNow
      yield* Effect.sleep("100 millis")
      assert.strictEqual(seen.begun, 1)
      assert.strictEqual(yield* unlessPaused(state, Effect.succeed("sent"), "kept"), "kept")
      seen.answers = true
      yield* SubscriptionRef.set(state.paused, false)
      yield* Effect.promise(() => until(() => [...known.values()].every(({ forward }) => forward === undefined), 10_000))
      assert.strictEqual(seen.begun, 4)
    }))
})
