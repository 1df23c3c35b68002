// Goal: no bytes of a stranger crash, hang or swell anything that reads them, and no request is answered with 500.
// Method: 10,000 seeded inputs through every decoder (noise, spoiled bytes, bent structure in a right wrapping), 250 requests to a
// running gateway of each side. `npm run fuzz` does a million. A failure names its seed.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decoders } from "../support/fuzz/decoders.ts"
import { fuzzRequests } from "../support/fuzz/requests.ts"
import { fuzz } from "../support/fuzz/run.ts"
import { makeRig, secret } from "../support/gatewayRig.ts"

const seed = 20_261_129

describe("fuzzing", () => {
  it("every decoder takes what is good, and answers to everything else", () => {
    for (const { good, name, take, wrap } of decoders) assert.isTrue(good.some((value) => take(wrap(value))) || name === "registration" || name === "commit record", name)
    const { accepted, failures } = fuzz(10_000, seed)
    assert.deepStrictEqual(failures, [])
    // neither all refused at the first byte nor everything let through
    assert.isAbove(accepted, 100)
    assert.isBelow(accepted, 5000)
  })

  it.live.each(["local", "hosted"] as const)("the gateway of %s answers whatever is asked, and never with 500", (side) =>
    Effect.gen(function*() {
      const { url } = yield* makeRig({ side })
      const { failures, statuses } = yield* Effect.promise(() => fuzzRequests({ url, token: secret, requests: 250, seed }))
      assert.deepStrictEqual(failures, [])
      assert.isAbove(statuses[400] ?? 0, 10)
      assert.isAbove(statuses[200] ?? 0, 10)
    }).pipe(Effect.scoped))
})
