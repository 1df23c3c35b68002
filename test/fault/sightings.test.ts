// Goal: what one hosted process sees of a peer every other one knows, also one that starts later; nothing counts twice.
// Method: several processes' watches on one bucket, some of whose writes fail before or after they took effect.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { isDeepStrictEqual } from "node:util"
import { PeerWatch } from "../../src/hosted/PeerWatch.ts"
import { keepSightings } from "../../src/hosted/sightings.ts"
import { type KeyValue, KeyValueUnavailable, makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { until } from "../support/world.ts"

const peer = "peer_0123456789abcdef"
const time = (millis: number) => new Date(millis).toISOString()
const known = (watch: PeerWatch, now: number) => {
  const { pending, seenAt, skewMillis, tally, toCommit } = watch.of(peer)
  return { pending, seenAt, skewMillis, waits: toCommit.age(now), tries: tally.tries(now), rate: tally.rate(now), last: tally.last, errors: tally.errors }
}
const report = (millis: number, written: number) => ({ log_epoch: 1, mirror_seq: 0, log_id: "l", journal: "j", journal_seq: written, time: time(millis + 5000) })

/** The bucket of a hub that is away for every third write, half of the time after it took the write. */
const flaky = (bucket: KeyValue): KeyValue => {
  let writes = 0
  const away = new KeyValueUnavailable({ bucket: "SIGHTINGS", cause: "away" })
  return { ...bucket, update: (...write) => ++writes % 3 !== 0 ? bucket.update(...write) : writes % 2 === 0 ? Effect.fail(away) : Effect.andThen(bucket.update(...write), Effect.fail(away)) }
}

describe("hosted processes", () => {
  it.live("know the same of a peer, whichever of them it came through, and since when ever they run", () =>
    Effect.gen(function*() {
      const bucket = yield* makeMemoryKeyValue("SIGHTINGS")
      const join = (name: string, through: KeyValue = bucket) => Effect.gen(function*() {
        const watch = new PeerWatch()
        yield* Effect.forkScoped(keepSightings(watch, { name, open: Effect.succeed(through) }))
        return watch
      })
      const [one, two] = [yield* join("one", flaky(bucket)), yield* join("two")]
      const began = Date.now()
      for (let n = 0; n < 8; n++) {
        const now = began + n * 10
        one.answered(peer, "committed", "", now)
        if (n % 2 === 0) two.answered(peer, n === 4 ? "invalid" : "busy", n === 4 ? "e4" : "", now + 5)
        ;(n % 2 === 0 ? one : two).reported(peer, report(now, 10 + n), { journal: "j", to: 9 }, now)
        yield* Effect.sleep("300 millis")
      }
      const now = began + 1000
      const knowsAsMuchAs = (watch: PeerWatch, other: PeerWatch) => Effect.promise(() => until(() => isDeepStrictEqual(known(watch, now), known(other, now)), 30_000))
      yield* knowsAsMuchAs(one, two)
      const told = known(one, now)
      assert.deepInclude(told, { pending: 8, skewMillis: 5000, tries: 12, rate: 8 / 12, last: "committed" })
      assert.deepStrictEqual(told.errors.map(({ what }) => what), ["busy", "invalid: event e4", "busy", "busy"])
      assert.isAbove(told.waits, 0)
      assert.deepStrictEqual(known(two, now), told)
      const late = yield* join("three")
      yield* knowsAsMuchAs(late, one)
      assert.deepStrictEqual(known(late, now), told)
    }))

  it("tell of a peer that says the same again once a minute", () => {
    const watch = new PeerWatch()
    for (let n = 0; n <= 12; n++) watch.reported(peer, report(n * 10_000, 5), { journal: "j", to: 5 }, n * 10_000)
    assert.deepStrictEqual(watch.untold().map(({ at }) => at), [0, 60_000, 120_000])
    assert.strictEqual(watch.of(peer).seenAt, 120_000)
  })

  it("tell of a peer's tries of one kind together, whoever else came in between", () => {
    const watch = new PeerWatch()
    const tried = (of: string, outcome: "committed" | "busy") => watch.answered(of, outcome, "", 1000)
    for (const outcome of ["committed", "committed", "busy", "committed"] as const) for (const of of [peer, "peer_fedcba9876543210"]) tried(of, outcome)
    const told = watch.untold().map((one) => one.kind === "try" ? `${one.peer.slice(0, 6)} ${one.outcome} ${one.times}` : one.kind)
    assert.deepStrictEqual(told, ["peer_0 committed 2", "peer_f committed 2", "peer_0 busy 1", "peer_f busy 1", "peer_0 committed 1", "peer_f committed 1"])
    // beyond what is kept the first goes, and another's comes to its place: what is tried then is not counted there
    tried(peer, "busy")
    tried("peer_fedcba9876543210", "busy")
    for (let n = 0; n < 9_999; n++) watch.reported(peer, report(n, n), { journal: "j", to: 0 }, n)
    tried(peer, "busy")
    assert.deepStrictEqual(watch.untold().flatMap((one) => one.kind === "try" ? [`${one.peer.slice(0, 6)} ${one.times}`] : []), ["peer_0 1"])
  })

  it("say that a peer moved when it comes, comes back, waits otherwise or was refused, and not otherwise", () => {
    let moved = 0
    const watch = new PeerWatch(() => { moved += 1 })
    const at = (seconds: number, written: number) => watch.reported(peer, report(seconds * 1000, written), { journal: "j", to: 5 }, seconds * 1000)
    const told: Array<number> = []
    const steps: ReadonlyArray<() => void> = [() => at(100, 5), () => at(110, 5), () => at(120, 8), () => at(130, 8), () => at(170, 8), () => watch.answered(peer, "committed", "", 171_000), () => watch.answered(peer, "busy", "", 172_000)]
    for (const step of steps) {
      step()
      told.push(moved)
    }
    assert.deepStrictEqual(told, [1, 1, 2, 2, 3, 3, 4])
  })
})
