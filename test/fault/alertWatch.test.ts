// Goal: of several hosted processes one judges, and what fires is told once by all of them together.
// Method: several processes' watches and stores on one bucket; the holder goes away, the owner of the hub comes back.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { keyValueStore, makeWatch } from "../../src/hosted/alerting.ts"
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { makeAlerting } from "../../src/observing/alerting.ts"
import { quietAlerts } from "../../src/observing/settings.ts"
import { type Alert, noAlerts } from "../../streams/alerts.ts"

describe("several hosted processes", () => {
  it.effect("have one that judges: the first, until the owner of the hub asks", () =>
    Effect.gen(function*() {
      const bucket = yield* makeMemoryKeyValue("WATCHER")
      const [one, two, owner] = [makeWatch(bucket, { name: "one", first: false }), makeWatch(bucket, { name: "two", first: false }), makeWatch(bucket, { name: "owner", first: true })]
      assert.deepStrictEqual([yield* one, yield* two, yield* one, yield* two], [true, false, true, false])
      assert.deepStrictEqual([yield* owner, yield* one, yield* two, yield* owner], [true, false, false, true])
      // as the bucket forgets a holder that renews no more
      yield* bucket.delete("state")
      assert.deepStrictEqual([yield* two, yield* one, yield* owner], [true, false, false])
      assert.deepStrictEqual([yield* owner, yield* two], [true, false])
    }))

  it.effect("write over nobody's word", () =>
    Effect.gen(function*() {
      const bucket = yield* makeMemoryKeyValue("ALERTING")
      const [one, two] = [keyValueStore(bucket), keyValueStore(bucket)]
      yield* one.load
      yield* two.load
      const silences = [{ kind: null, subject: null, until: "2026-11-22T10:00:00.000Z" }]
      assert.isTrue(yield* one.save({ ...noAlerts, silences }))
      assert.isFalse(yield* two.save(noAlerts))
      assert.deepStrictEqual(yield* two.load, { ...noAlerts, silences })
      assert.isTrue(yield* two.save(noAlerts))
    }))

  it.effect("tell of one alert once", () =>
    Effect.gen(function*() {
      const watcher = yield* makeMemoryKeyValue("WATCHER")
      const store = yield* makeMemoryKeyValue("ALERTING")
      const recorded: Array<Alert> = []
      const process = (name: string) =>
        makeAlerting({
          ...quietAlerts,
          store: keyValueStore(store),
          facts: Effect.flatMap(makeWatch(watcher, { name, first: false }), (mine) =>
            mine ? Effect.succeed([{ kind: "peer_stopped" as const, tenant: null, subject: "peer_0123456789abcdef", value: 1 }]) : Effect.undefined),
          record: (alert) => Effect.sync(() => { recorded.push(alert) })
        })
      for (const name of ["one", "two", "three"]) yield* Effect.forkScoped((yield* process(name)).run)
      for (let looks = 0; looks < 3; looks++) yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(recorded.map(({ kind, status }) => [kind, status]), [["peer_stopped", "firing"]])
    }))

  it.effect("leave to the next what one of them decided, and was killed before it told", () =>
    Effect.gen(function*() {
      const store = yield* makeMemoryKeyValue("ALERTING")
      const recorded: Array<string> = []
      const posted: Array<string> = []
      const process = (dies: "noting" | "posting" | "never") =>
        makeAlerting({
          ...quietAlerts,
          webhook: { send: (alerts) => dies === "posting" ? Effect.never : Effect.sync(() => { posted.push(...alerts.map(({ status }) => status)) }) },
          store: keyValueStore(store),
          facts: Effect.succeed([{ kind: "peer_stopped" as const, tenant: null, subject: "peer_0123456789abcdef", value: 1 }]),
          record: (alert) => dies === "noting" ? Effect.never : Effect.sync(() => { recorded.push(alert.status) })
        })
      const liveAWhile = Effect.fnUntraced(function*(dies: "noting" | "posting" | "never", looks: number) {
        const alive = yield* Effect.forkChild((yield* process(dies)).run, { startImmediately: true })
        for (let look = 1; look < looks; look++) yield* TestClock.adjust("5 seconds")
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(alive)
      })
      yield* liveAWhile("noting", 1)
      assert.deepStrictEqual([recorded, posted], [[], []])
      yield* liveAWhile("posting", 1)
      assert.deepStrictEqual([recorded, posted], [["firing"], []])
      // long enough to look twice: what was told is taken off the list
      yield* liveAWhile("never", 2)
      assert.deepStrictEqual([recorded, posted], [["firing", "firing"], ["firing"]])
      yield* liveAWhile("never", 1)
      assert.deepStrictEqual([recorded, posted], [["firing", "firing"], ["firing"]])
    }))
})
