// Goal: a snapshot larger than what may be on its way at once arrives whole, also at a slow reader, and makes the same stream again.
// One of a store that is written to meanwhile, and of a stream whose messages run out, can be restored as well.
// Method: a real nats-server with 24 MiB of random bytes in a stream; one that is damaged on the way leaves no stream.
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, Schedule, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type BackupContext, backupPart, tenantStore } from "../../src/hosted/backup.ts"
import { restorePart } from "../../src/hosted/restoringParts.ts"
import { connect, type Wired } from "../../src/nats/connect.ts"
import { jetStreamKeyValue } from "../../src/nats/keyValue.ts"
import { jetStreamLog } from "../../src/nats/jetStreamLog.ts"
import { deleteStream, ensureConfig, ensureStream, findStream } from "../../src/nats/provision.ts"
import { restoreStream, snapshotStream, streamNames } from "../../src/nats/snapshot.ts"
import { api, Done } from "../../src/nats/jetStreamApi.ts"
import { toJetStream } from "../../src/nats/toJetStream.ts"
import { streams } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { startServer } from "../support/natsServer.ts"

const tenant = "t_aaaaaaaaaaaaaaaa"

/** Save one stream as a backup does, into a file. */
const savePart = Effect.fnUntraced(function*(wire: Wired, name: string) {
  const context: BackupContext = { service: wire, dataDir: "", backendId: "hosted", logIdentity: () => ({ id: "log", epoch: 1 }), serverVersion: "", adminRole: true }
  const rows = yield* Stream.runCollect(backupPart(context, name))
  const file = join(mkdtempSync(join(tmpdir(), "maestra-part-")), `${name}.snapshot`)
  const bytes = Buffer.concat(rows.map((row) => "head" in row ? Buffer.from(`${JSON.stringify(row.head)}\n`) : "data" in row ? Buffer.from(row.data, "base64") : Buffer.alloc(0)))
  writeFileSync(file, bytes)
  return { name, file, bytes: bytes.length }
})

layer(Layer.empty, { excludeTestServices: true })("snapshot", (it) => {
  it.effect("goes there and back", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const wire = yield* connect({ server: server.address, name: "snapshot" })
      yield* ensureStream(wire, streams.log, { replicas: 1, sizeMaxBytes: 1024 ** 3 })
      const log = jetStreamLog(wire, streams.log.name)
      for (let i = 0; i < 12; i++) yield* log.append([{ subject: subjects.logSettings(tenant), data: new Uint8Array(randomBytes(2 * 1024 * 1024)) }])
      const before = yield* log.info
      assert.deepStrictEqual(yield* streamNames(wire), [streams.log.name])

      const { chunks, head } = yield* Effect.scoped(Effect.gen(function*() {
        const { bytes, head } = yield* snapshotStream(wire, streams.log.name)
        const chunks = yield* bytes.pipe(
          Stream.mapArray((arrived) => arrived),
          Stream.tap(() => Effect.sleep("5 millis")),
          Stream.runCollect)
        return { head, chunks: [...chunks] }
      }))
      assert.isAbove(chunks.reduce((sum, { length }) => sum + length, 0), 24 * 1024 * 1024)

      yield* api(wire, `STREAM.DELETE.${streams.log.name}`, undefined, Done)
      const damaged = chunks.map((chunk, i) => i === 40 ? new Uint8Array(chunk.length) : chunk)
      const refused = yield* Effect.result(restoreStream(wire, streams.log.name, head, Stream.fromIterable(damaged)))
      assert.isTrue(Result.isFailure(refused) && refused.failure._tag === "RestoreFailed")
      assert.strictEqual((yield* findStream(wire, streams.log.name))._tag, "None")

      const after = yield* restoreStream(wire, streams.log.name, head, Stream.fromIterable(chunks))
      assert.deepInclude({ messages: after.messages, lastSeq: after.lastSeq, bytes: after.bytes }, { messages: before.messages, lastSeq: before.lastSeq, bytes: before.bytes })
    }))

  it.effect("of a tenant store that is written to meanwhile lacks no key", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const wire = yield* connect({ server: server.address, name: "backup" })
      const store = yield* jetStreamKeyValue(wire, { bucket: "TENANTS", replicas: 1 })
      const value = (bytes: number) => new Uint8Array(randomBytes(bytes))
      for (const key of ["a", "b"]) yield* store.create(key, value(6 * 1024 * 1024))
      yield* store.create("c", value(10))
      const write = Effect.flatMap(store.get("c"), (entry) => entry._tag === "Some" ? store.update("c", value(10), entry.value.revision) : Effect.die(new Error("it is gone")))
      // the server's own: more than may be on its way is before the last key, which is written when the snapshot has begun
      const { bytes, head } = yield* snapshotStream(wire, tenantStore)
      yield* write
      const raw = yield* Stream.runCollect(bytes)
      const writing = yield* write.pipe(Effect.andThen(Effect.sleep("20 millis")), Effect.repeat({ times: 5 }), Effect.forkScoped)
      const part = yield* savePart(wire, tenantStore)
      yield* Fiber.interrupt(writing)
      yield* deleteStream(wire, tenantStore)
      assert.strictEqual((yield* restoreStream(wire, tenantStore, head, Stream.fromIterable(raw))).messages, 2)
      yield* deleteStream(wire, tenantStore)
      yield* restorePart(wire, part, 1, () => Effect.void)
      assert.sameMembers([...yield* store.keys], ["a", "b", "c"])
    }))

  it.effect("of a stream that keeps for so long only is restored when some of it has run out", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const wire = yield* connect({ server: server.address, name: "backup" })
      const { name } = streams.telemetry
      yield* ensureConfig(wire, { ...toJetStream(streams.telemetry, { replicas: 1, sizeMaxBytes: 1024 ** 3 }), max_age: 1_500_000_000, duplicate_window: 1_000_000_000 })
      const log = jetStreamLog(wire, name)
      for (let i = 0; i < 3; i++) yield* log.append([{ subject: subjects.telemetry(tenant, "peer_a", "capture"), data: new Uint8Array(10) }])
      const part = yield* savePart(wire, name)
      yield* log.info.pipe(Effect.filterOrFail(({ messages }) => messages === 0), Effect.retry(Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(400)])))
      yield* deleteStream(wire, name)
      assert.strictEqual((yield* restorePart(wire, part, 1, () => Effect.void)).lastSeq, 3)
    }))
})
