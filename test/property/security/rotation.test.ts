// Goal: a key gives way to another only by its own word, and a rotation that is cut off anywhere leaves the one or the other.
// Method: rotations over a real key file that dies before each of its writes; chains of words with each part exchanged.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Result } from "effect"
import type { Identity } from "../../../streams/events/peer.ts"
import { AuthorKeys } from "../../../src/security/AuthorKeys.ts"
import { loadIdentity, signerOf } from "../../../src/security/BackendIdentity.ts"
import { parseCommit, verifyCommit } from "../../../src/security/commit.ts"
import { digestOf } from "../../../src/security/digest.ts"
import { handovers, keyRows, keysOfIdentity } from "../../../src/security/handovers.ts"
import { keyFileLayer } from "../../../src/security/keyFile.ts"
import { generateKeys, keyId } from "../../../src/security/keys.ts"
import { Keystore, type KeystoreError, KeystoreUnusable } from "../../../src/security/Keystore.ts"
import { localBackendId } from "../../../src/security/peerId.ts"
import { newSecretKey } from "../../../src/security/secretKey.ts"

const author = "peer_0123456789abcdef"
const backendId = localBackendId("machine", "instance")

const home = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-rotation-"))), (path) => Effect.sync(() => rmSync(path, { recursive: true })))
  return {
    options: { backendId, backendType: "local" as const, capabilities: [], file: join(folder, "identity.json") },
    layer: keyFileLayer(join(folder, "keystore.json"), { kind: "master", key: newSecretKey(), from: "a test" })
  }
})

/** A keystore that takes so many changes, then none. */
const dyingAfter = (keystore: Keystore["Service"], changes: number): Keystore["Service"] => {
  let left = changes
  const dead = Effect.fail(new KeystoreUnusable({ file: "", why: "died", hint: "" }))
  const alive = <A>(change: Effect.Effect<A, KeystoreError>): Effect.Effect<A, KeystoreError> => Effect.suspend(() => left-- > 0 ? change : dead)
  return { ...keystore, set: (name, secret) => alive(keystore.set(name, secret)), delete: (name) => alive(keystore.delete(name)) }
}

const to = { author, grace: Duration.days(7), previousMax: 3 }
const fields = { author, sync_id: "s", journal: "j", from: 1, to: 1, ids: digestOf("a"), hashes: [], prev: "", seen: { log_seq: 0, head: "" }, time: "2026-11-22T10:00:00.000Z" }

describe("a rotation", () => {
  it.live("cut off before any of its writes leaves the old keys or the new, whole, and can be done again", () =>
    Effect.gen(function*() {
      const { layer, options } = yield* home
      yield* Effect.gen(function*() {
        const keystore = yield* Keystore
        const ends: Array<string> = []
        for (let changes = 0; changes < 7; changes++) {
          const old = yield* loadIdentity(options)
          const dying = yield* loadIdentity(options).pipe(Effect.provideService(Keystore, dyingAfter(keystore, changes)))
          const next = yield* dying.handOver(to)
          const adopted = yield* Effect.result(dying.adopt(next))
          const after = yield* loadIdentity(options)
          ends.push(after.identity.public_key === old.identity.public_key ? "old" : "new")
          assert.include([old.identity.public_key, next.identity.public_key], after.identity.public_key)
          assert.strictEqual(after.identity.wrap_key === next.identity.wrap_key, after.identity.public_key === next.identity.public_key)
          assert.isTrue(Result.isFailure(adopted) || ends.at(-1) === "new")
          assert.isTrue(verifyCommit(Result.getOrThrow(parseCommit(yield* after.signCommit(fields))), after.identity.public_key))
          // what was left half done is gone on with
          if (after.prepared() !== undefined) yield* after.adopt(after.prepared()!)
          assert.isUndefined((yield* loadIdentity(options)).prepared())
        }
        assert.deepStrictEqual(ends, ["old", "old", "new", "new", "new", "new", "new"])
      }).pipe(Effect.provide(layer))
    }))

  it.live("that waits is there after a restart, with the keys it was made with", () =>
    Effect.gen(function*() {
      const { layer, options } = yield* home
      yield* Effect.gen(function*() {
        const first = yield* loadIdentity(options)
        const next = yield* first.handOver(to)
        yield* first.prepare(next)
        const again = yield* loadIdentity(options)
        assert.strictEqual(again.keyId, first.keyId)
        assert.deepStrictEqual(again.prepared()?.identity, next.identity)
        assert.strictEqual(signerOf(again.prepared()!).keyId, keyId(next.identity.public_key))
        yield* again.abandon
        assert.isUndefined((yield* loadIdentity(options)).prepared())
      }).pipe(Effect.provide(layer))
    }))

  it.live("leads from every former key to the present one, by each one's word alone", () =>
    Effect.gen(function*() {
      const { layer, options } = yield* home
      const identities: Array<Identity> = []
      yield* Effect.gen(function*() {
        const self = yield* loadIdentity(options)
        for (let i = 0; i < 5; i++) {
          identities.push(self.identity)
          yield* self.adopt(yield* self.handOver(to))
        }
        identities.push(self.identity)
      }).pipe(Effect.provide(layer))
      const ids = identities.map(({ public_key }) => keyId(public_key))
      const now = identities[5]!
      assert.deepStrictEqual(ids.map((id) => handovers(id, author, now)?.length), [undefined, undefined, 3, 2, 1, 0])
      assert.deepStrictEqual(keysOfIdentity(now).map((key) => key.keyId), ids.slice(2))
      assert.deepStrictEqual(keyRows(now, now.created_at).map(({ status }) => status), ["in_grace", "in_grace", "in_grace", "current"])
      assert.isUndefined(handovers(ids[2]!, "peer_fedcba9876543210", now), "another's word")
      const stranger = yield* generateKeys
      const previous = now.previous_keys!
      for (const broken of [
        { ...now, public_key: stranger.publicPem },
        { ...now, previous_keys: previous.map((key, i) => i === 1 ? { ...key, public_key: stranger.publicPem } : key) },
        { ...now, previous_keys: previous.map((key, i) => i === 1 ? { ...key, grace_ends_at: "2099-01-01T00:00:00.000Z" } : key) },
        { ...now, previous_keys: [previous[0]!, previous[2]!] }
      ]) assert.isUndefined(handovers(ids[2]!, author, broken))

      // a reader that read the log up to there goes on with what its tables know of hosted
      const [, , k2, k3] = identities.map(({ public_key }, i) => ({ keyId: ids[i]!, publicKey: public_key }))
      const until = previous[0]!.grace_ends_at
      const reader = new AuthorKeys({ backendId: "hosted", keys: [k2!] }, [["t", "hosted", { backendId: "", keys: [{ ...k2!, publicKey: "", until }, k3!] }]])
      assert.strictEqual(reader.find("t", "hosted", k3!.keyId, "2099-01-01T00:00:00.000Z"), k3!.publicKey)
      assert.strictEqual(reader.find("t", "hosted", k2!.keyId, "2026-01-01T00:00:00.000Z"), k2!.publicKey)
      assert.isUndefined(reader.find("t", "hosted", k2!.keyId, until))
    }))
})
