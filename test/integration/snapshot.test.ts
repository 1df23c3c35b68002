// Goal: a snapshot larger than what may be on its way at once arrives whole, also at a slow reader, and makes the same stream again.
// One of a store that is written to meanwhile, and of a stream from which something goes meanwhile, can be restored as well.
// Method: a real nats-server with 24 MiB of random bytes in a stream; one that is damaged on the way leaves no stream.
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type BackupContext, backupPart, tenantStore } from "../../src/hosted/backup.ts"
import { restorePart } from "../../src/hosted/restoringParts.ts"
import { connect, type Wired } from "../../src/nats/connect.ts"
import { jetStreamKeyValue } from "../../src/nats/keyValue.ts"
import { jetStreamLog } from "../../src/nats/jetStreamLog.ts"
import { deleteStream, ensureStream, findStream } from "../../src/nats/provision.ts"
import { restoreStream, snapshotStream, streamNames } from "../../src/nats/snapshot.ts"
import { api, Done } from "../../src/nats/jetStreamApi.ts"
import { streams } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { startServer } from "../support/natsServer.ts"

const tenant = "t_aaaaaaaaaaaaaaaa"

/** A stream in a backup, in a folder that goes with its server. */
const partOf = (dir: string, name: string, head: object | null, chunks: ReadonlyArray<Uint8Array>) => {
  const file = join(dir, `${name}.snapshot`)
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...chunks])
  writeFileSync(file, bytes)
  return { name, file, bytes: bytes.length }
}

/** Save one stream as a backup does, into a file. */
const savePart = Effect.fnUntraced(function*(wire: Wired, dir: string, name: string) {
  const context: BackupContext = { service: wire, dataDir: "", backendId: "hosted", logIdentity: () => ({ id: "log", epoch: 1 }), serverVersion: "", adminRole: true }
  const rows = yield* Stream.runCollect(backupPart(context, name))
  return partOf(dir, name, rows.flatMap((row) => "head" in row && row.head !== null ? [row.head] : [])[0] ?? null, rows.flatMap((row) => "data" in row ? [Buffer.from(row.data, "base64")] : []))
})

/** More than may be on its way at once: a snapshot stands before what is stored after these until somebody reads it. */
const filling = () => [1, 2].map(() => new Uint8Array(randomBytes(6 * 1024 * 1024)))

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
      const value = () => new Uint8Array(randomBytes(10))
      for (const [i, large] of filling().entries()) yield* store.create(["a", "b"][i]!, large)
      yield* store.create("c", value())
      const write = Effect.flatMap(store.get("c"), (entry) => entry._tag === "Some" ? store.update("c", value(), entry.value.revision) : Effect.die(new Error("it is gone")))
      // the server's own, begun before the last key is written anew
      const { bytes, head } = yield* snapshotStream(wire, tenantStore)
      yield* write
      const raw = yield* Stream.runCollect(bytes)
      const writing = yield* write.pipe(Effect.andThen(Effect.sleep("20 millis")), Effect.repeat({ times: 5 }), Effect.forkScoped)
      const part = yield* savePart(wire, server.dir, tenantStore)
      yield* Fiber.interrupt(writing)
      yield* deleteStream(wire, tenantStore)
      assert.strictEqual((yield* restoreStream(wire, tenantStore, head, Stream.fromIterable(raw))).messages, 2)
      yield* deleteStream(wire, tenantStore)
      yield* restorePart(wire, part, 1, () => Effect.void)
      assert.sameMembers([...yield* store.keys], ["a", "b", "c"])
    }))

  it.effect("of a stream from which something went meanwhile is restored with what is left", () =>
    Effect.gen(function*() {
      const server = yield* startServer()
      const wire = yield* connect({ server: server.address, name: "backup" })
      const { name } = streams.telemetry
      yield* ensureStream(wire, streams.telemetry, { replicas: 1, sizeMaxBytes: 1024 ** 3 })
      const log = jetStreamLog(wire, name)
      const [stays, goes] = ["peer_a", "peer_b"].map((peer) => subjects.telemetry(tenant, peer, "capture"))
      for (const data of filling()) yield* log.append([{ subject: stays!, data }])
      yield* log.append([{ subject: goes!, data: new Uint8Array(10) }])
      const { bytes, head } = yield* snapshotStream(wire, name)
      yield* log.purge({ subject: goes! })
      const part = partOf(server.dir, name, head, yield* Stream.runCollect(bytes))
      yield* deleteStream(wire, name)
      const { lastSeq, messages } = yield* restorePart(wire, part, 1, () => Effect.void)
      assert.deepStrictEqual([lastSeq, messages], [3, 2])
    }))
})
