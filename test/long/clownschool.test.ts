// Goal: three people's concurrent edits of one text, from a recorded session, end in the winners the recording says.
// Method: the beginning of the schedule through three locals and hosted, round by round: what happened at the same time is written
// at the same time, with the mirrors' deliveries held back. (All of it, 23,136 writes, is `node test/soak/clownschool.ts`.)
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { contentOf, expectedWinners, isThere, makeStage, outcome, roundsOf, schedule, type Stage, winnersOf } from "../support/clownschool.ts"
import { makeWorld, type World } from "../support/world.ts"

/** So many rounds are played: about 1,100 writes; in nearly every round two agents write at the same time. */
const roundsPlayed = 60

describe.skipIf(!isThere)(`the clownschool schedule${isThere ? "" : " (skipped: ../shared/data missing)"}`, () => {
  let world: World
  let stage: Stage & { readonly close: () => void }
  beforeAll(async () => {
    world = await makeWorld()
    stage = await makeStage(world)
  }, 120_000)
  afterAll(async () => {
    stage?.close()
    await world.close()
  })

  it("whole, has the winners that were recorded", () => {
    const winners = winnersOf(schedule())
    assert.strictEqual(winners.size, 78)
    for (const [key, { agent, i, lamport }] of Object.entries(expectedWinners())) assert.deepInclude(winners.get(key), { agent, i, lamport })
    assert.strictEqual(roundsOf(schedule()).flat(2).length, 23_136)
  })

  it("played through three backends, gives every write its stamp and every register its winner", { timeout: 180_000 }, async () => {
    const rounds = roundsOf(schedule()).slice(0, roundsPlayed)
    const writes = rounds.flat(2)
    assert.isAtLeast(rounds.filter((round) => round.filter((part) => part.length > 0).length > 1).length, roundsPlayed / 2)
    await stage.play(rounds)
    const winners = winnersOf(writes)
    const { digests, shown, stamped } = await outcome(stage, winners.keys())
    for (const write of writes) assert.deepStrictEqual(stamped.get(contentOf(write)), { lamport: write.lamport, agent: write.agent }, contentOf(write))
    for (const backend of shown) for (const [key, winner] of winners) assert.strictEqual(backend.get(key), contentOf(winner), key)
    assert.strictEqual(new Set(digests.map(({ digest }) => digest)).size, 1)
    assert.isAtLeast(stage.waited(), roundsPlayed / 2)
  })
})
