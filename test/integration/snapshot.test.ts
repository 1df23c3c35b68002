// Goal: a snapshot larger than what may be on its way at once arrives whole, also at a slow reader, and makes the same stream again.
// Method: a real nats-server with 24 MiB of random bytes in a stream; one that is damaged on the way leaves no stream.
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Result, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { connect } from "../../src/nats/connect.ts"
import { jetStreamLog } from "../../src/nats/jetStreamLog.ts"
import { ensureStream, findStream } from "../../src/nats/provision.ts"
import { restoreStream, snapshotStream, streamNames } from "../../src/nats/snapshot.ts"
import { api, Done } from "../../src/nats/jetStreamApi.ts"
import { streams } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { startServer } from "../support/natsServer.ts"

const tenant = "t_aaaaaaaaaaaaaaaa"

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
})
