// Goal: buckets on JetStream keep what their interface promises, also over a killed server.
// Method: the suite the memory bucket runs too; then a watch across SIGKILL and restart.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schedule, Stream } from "effect"
import { connect } from "../../src/nats/connect.ts"
import { jetStreamKeyValue } from "../../src/nats/keyValue.ts"
import { startServer } from "../support/natsServer.ts"
import { sharedServer } from "../support/sharedServer.ts"
import { keyValueSuite, shown } from "../support/suites/keyValue.ts"

const server = sharedServer()
let made = 0

keyValueSuite("JetStream bucket", Effect.flatMap(server, (wire) => Effect.orDie(jetStreamKeyValue(wire, { bucket: `B${++made}`, replicas: 1 }))))

describe("JetStream bucket", () => {
  it.live("is the same one for all who open it, at once too", () =>
    Effect.gen(function*() {
      const wire = yield* server
      const [a, b] = yield* Effect.all([jetStreamKeyValue(wire, { bucket: "SAME", replicas: 1 }), jetStreamKeyValue(wire, { bucket: "SAME", replicas: 1 })], { concurrency: 2 })
      yield* a.create("k", new TextEncoder().encode("v"))
      assert.deepStrictEqual(yield* b.keys, ["k"])
    }))

  it.live("lets the oldest go where it is full, if it was told to, and refuses what is new otherwise", () =>
    Effect.gen(function*() {
      const wire = yield* server
      const mebibytes = 65
      const fill = Effect.fnUntraced(function*(bucket: string, more: { readonly whenFull?: "drop-oldest" }) {
        const { create, keys } = yield* jetStreamKeyValue(wire, { bucket, replicas: 1, ageMax: Duration.minutes(1), ...more })
        const refused = yield* Effect.forEach(Array.from({ length: mebibytes }, (_, n) => `k${n}`), (key) => Effect.isFailure(create(key, new Uint8Array(1024 * 1024))))
        return { refused: refused.filter((is) => is).length, keys: yield* keys }
      })
      const dropping = yield* fill("DROPPING", { whenFull: "drop-oldest" })
      assert.strictEqual(dropping.refused, 0)
      assert.isTrue(dropping.keys.includes(`k${mebibytes - 1}`) && !dropping.keys.includes("k0"))
      const refusing = yield* fill("REFUSING", {})
      assert.isAbove(refusing.refused, 0)
      assert.isTrue(refusing.keys.includes("k0") && !refusing.keys.includes(`k${mebibytes - 1}`))
    }))

  it.live("a watch survives a killed server and misses nothing", () =>
    Effect.gen(function*() {
      const nats = yield* startServer()
      const wire = yield* connect({ server: nats.address, name: "watch" })
      const bucket = yield* jetStreamKeyValue(wire, { bucket: "B", replicas: 1 })
      const seen: Array<string> = []
      const watch = yield* bucket.watch.pipe(
        Stream.takeUntil((change) => seen.push(shown(change)) === 4),
        Stream.runDrain,
        Effect.forkScoped
      )
      const put = (key: string) => bucket.create(key, new TextEncoder().encode("v")).pipe(Effect.retry({ while: (error) => error._tag === "KeyValueUnavailable", schedule: Schedule.spaced("20 millis") }))
      yield* put("a")
      yield* nats.kill
      yield* nats.restart
      yield* put("b")
      yield* put("c")
      yield* Fiber.join(watch).pipe(Effect.timeout("1 minute"))
      assert.deepStrictEqual(seen.filter((line) => line !== "ready"), ["a v", "b v", "c v"])
    }))
})
