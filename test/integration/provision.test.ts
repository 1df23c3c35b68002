// Goal: streams on the server are what their rows say, whoever starts first and how often.
// Method: every row on a real server; then changed rows, rows that cannot change, two at once.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { api, Done, StreamInfo } from "../../src/nats/jetStreamApi.ts"
import { jetStreamLog } from "../../src/nats/jetStreamLog.ts"
import { ensureStream } from "../../src/nats/provision.ts"
import { streams } from "../../streams/definitions.ts"
import { sharedServer } from "../support/sharedServer.ts"
import { message } from "../support/messages.ts"

const server = sharedServer()
const small = { replicas: 1, sizeMaxBytes: 10 * 1024 * 1024 }
const rows = Object.values(streams).filter(({ name }) => name !== "TELEMETRY_OUT")

describe("provisioning", () => {
  it.live("makes every stream as its row says, and changes nothing the second time", () =>
    Effect.gen(function*() {
      const wire = yield* server
      for (const row of rows) {
        // Both sides' telemetry never meet on one server; their subjects do not overlap either way.
        assert.deepStrictEqual(yield* ensureStream(wire, row, small), { created: true, changed: [] })
        assert.deepStrictEqual(yield* ensureStream(wire, row, small), { created: false, changed: [] })
        const { config } = yield* api(wire, `STREAM.INFO.${row.name}`, undefined, StreamInfo)
        assert.deepStrictEqual(
          [config["storage"], config["discard"], config["deny_delete"] ?? false, config["deny_purge"] ?? false, config["allow_atomic"] ?? false, config["allow_direct"] ?? false, config["compression"], config["max_age"]],
          ["file", row.whenFull === "refuse-new" ? "new" : "old", row.denyDelete, row.denyPurge, row.atomicBatches, row.name === "LOG", "none", Duration.toMillis(row.ageMax) * 1_000_000]
        )
      }
      for (const row of rows) yield* api(wire, `STREAM.DELETE.${row.name}`, undefined, Done)
    }))

  it.live("brings an existing stream into line, says in what, and keeps what is in it", () =>
    Effect.gen(function*() {
      const wire = yield* server
      const row = { ...streams.alerts, name: "CHANGES", subjects: ["changes.*"] }
      yield* ensureStream(wire, row, { ...small, metadata: { log_id: "first" } })
      const log = jetStreamLog(wire, "CHANGES")
      yield* log.append([message("changes.a", "kept")])
      yield* log.setMetadata({ epoch: "1" })
      const changed = { ...row, ageMax: Duration.days(5), subjects: ["changes.*", "more.*"] }
      assert.deepStrictEqual(yield* ensureStream(wire, changed, { ...small, metadata: { log_id: "second" } }), { created: false, changed: ["subjects", "max_age"] })
      const info = yield* log.info
      assert.deepStrictEqual([info.messages, info.metadata], [1, { log_id: "first", epoch: "1" }])
      assert.deepStrictEqual(yield* ensureStream(wire, changed, { ...small, metadata: { made_by: "x" } }), { created: false, changed: ["metadata"] })
      assert.deepStrictEqual((yield* log.info).metadata, { log_id: "first", epoch: "1", made_by: "x" })
    }))

  it.live("refuses by name what cannot be changed in place", () =>
    Effect.gen(function*() {
      const wire = yield* server
      const row = { ...streams.log, name: "FIXED", subjects: ["fixed.*"] }
      yield* ensureStream(wire, row, small)
      const error = yield* Effect.flip(ensureStream(wire, { ...row, denyDelete: false }, small))
      assert.strictEqual(error._tag, "StreamRefused")
      assert.deepStrictEqual(error._tag === "StreamRefused" && error.changed, ["deny_delete"])
      assert.include(error._tag === "StreamRefused" ? error.hint : "", "deny_delete")
    }))

  it.live("two at once, with different first metadata: one stream, one metadata", () =>
    Effect.gen(function*() {
      const wire = yield* server
      for (let i = 0; i < 10; i++) {
        const row = { ...streams.log, name: `RACE_${i}`, subjects: [`race.${i}`] }
        yield* Effect.forEach(["a", "b", "c"], (id) => ensureStream(wire, row, { ...small, metadata: { log_id: id } }), { concurrency: "unbounded" })
        const { metadata } = yield* jetStreamLog(wire, row.name).info
        assert.include(["a", "b", "c"], metadata["log_id"])
      }
    }))
})
