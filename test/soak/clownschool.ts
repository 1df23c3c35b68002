/**
 * The whole clownschool schedule, 23,136 writes, through three locals and hosted as processes: every write gets the
 * stamp the schedule says, every register the winner that was recorded, and all four agree. Takes some minutes:
 * `npm run clownschool`.
 */
import assert from "node:assert/strict"
import { contentOf, expectedWinners, isThere, makeStage, outcome, roundsOf, schedule } from "../support/clownschool.ts"
import { flagsOf, misused, say, stopsOnSignals, tell } from "../support/script.ts"
import { makeWorld } from "../support/world.ts"

const toldEvery = 100

const flags = flagsOf("clownschool", "The whole clownschool schedule through three locals and hosted. Exit code 0: every stamp and every winner as recorded.", {
  out: { default: null, value: "FILE", says: "write the result there too" }
})
if (!isThere) misused("clownschool", "../shared/data is missing: there is no schedule to play")
const began = performance.now()
const seconds = () => ((performance.now() - began) / 1000).toFixed(0)
const world = await makeWorld()
stopsOnSignals({ close: world.close })
try {
  const stage = await makeStage(world)
  try {
    const writes = schedule()
    const rounds = roundsOf(writes)
    say(`${writes.length} writes in ${rounds.length} rounds`)
    await stage.play(rounds, (round) => {
      if (round % toldEvery === 0) say(`round ${round} of ${rounds.length}, ${seconds()} s`)
    })
    const expected = Object.entries(expectedWinners())
    const { digests, shown, stamped } = await outcome(stage, expected.map(([key]) => key))
    assert.equal(stamped.size, writes.length)
    for (const write of writes) assert.deepEqual(stamped.get(contentOf(write)), { lamport: write.lamport, agent: write.agent }, contentOf(write))
    for (const backend of shown) {
      assert.equal(backend.size, expected.length)
      for (const [key, winner] of expected) assert.equal(backend.get(key), contentOf(winner), key)
    }
    assert.equal(new Set(digests.map(({ digest }) => digest)).size, 1)
    say(`all ${expected.length} winners on all ${shown.length} backends as recorded, every stamp as in the schedule; ${stage.waited()} deliveries waited at the door; ${seconds()} s`)
    tell({ ok: true, writes: writes.length, winners: expected.length, backends: shown.length, digest: digests[0]!.digest, waited: stage.waited(), seconds: Number(seconds()) }, flags.out)
  } finally {
    stage.close()
  }
} finally {
  await world.close()
}
