// Goal: a surface waits as long as a backend asks, whatever is written meanwhile, and no longer than it must otherwise.
// Method: the sync loop with scripted answers and time that is counted, not waited; it is woken at every pause.
import { assert, describe, it } from "@effect/vitest"
import type { SideSynced } from "../../../src/sdk/typescript/api.ts"
import { defaultPlatform } from "../../../src/sdk/typescript/platform.ts"
import { MaestraError } from "../../../src/sdk/typescript/problems.ts"
import { keepSyncing } from "../../../src/sdk/typescript/syncLoop.ts"

type Step = Partial<SideSynced> | MaestraError

/** The waits of a loop that meets these answers, one after the other: `!` where a write could not cut one short. */
const waits = async (steps: ReadonlyArray<Step>): Promise<ReadonlyArray<string>> => {
  const made: Array<string> = []
  let at = 0
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const loop = keepSyncing({
    platform: {
      ...defaultPlatform, random: () => 0.5,
      sleep: async (millis, signal) => {
        loop.wake()
        made.push(`${millis}${signal.aborted ? "" : "!"}`)
      }
    },
    sides: async () => ["hosted"],
    sync: async () => {
      const step = steps[at++]
      if (step === undefined) {
        resolve()
        return new Promise<never>(() => undefined)
      }
      if (step instanceof MaestraError) throw step
      return { side: "hosted", sent: 0, received: 0, nextMillis: 5000, heldMillis: 0, ...step }
    }
  })
  await over
  return made
}

describe("waiting", () => {
  it("a pause is cut short by a write; what a backend asked for is not", async () => {
    assert.deepStrictEqual(await waits([{}, { nextMillis: 0 }, {}]), ["5000", "5000"])
    // verdict `rate_limited`, with room after it for the ordinary pause
    assert.deepStrictEqual(await waits([{ heldMillis: 7000, nextMillis: 7000 }]), ["7000!"])
    assert.deepStrictEqual(await waits([{ heldMillis: 2000, nextMillis: 5000 }]), ["2000!", "3000"])
    // 429 and 503 with Retry-After
    assert.deepStrictEqual(await waits([new MaestraError("later", "too much", { status: 429, retryMillis: 42_000 })]), ["42000!"])
  })

  it("without an answer it tries again after 1, 2, 4, 8, 16, then 30 s, and begins anew once there was one", async () => {
    const down = new MaestraError("unreachable", "away")
    assert.deepStrictEqual((await waits([down, down, down, down, down, down, down, {}, down])), ["1000", "2000", "4000", "8000", "16000", "30000", "30000", "5000", "1000"])
  })
})
