// Goal: a proof convinces of exactly one key, one identity or request, once.
// Method: one case for each refusal, a nonce cache driven through time, every one-character change of a header.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { Identity } from "../../../streams/events/peer.ts"
import { canonicalJson } from "../../../src/security/canonical.ts"
import { generateKeys, keyId, type KeyPair } from "../../../src/security/keys.ts"
import { makeNonceCache, nonces } from "../../../src/security/NonceCache.ts"
import { freshProof, type ProofRefused, proveIdentity, signRotation, verifyFreshProof, verifyIdentityProof, verifyRotation } from "../../../src/security/proofs.ts"
import { signObject } from "../../../src/security/signing.ts"

const time = "2026-11-22T10:00:00.000Z"
const now = Date.parse(time)
const peerId = "peer_0123456789abcdef"
const identityOf = (pair: KeyPair): Identity => ({
  backend_id: `local_sha256_${"a".repeat(64)}`,
  backend_type: "local",
  public_key: pair.publicPem,
  wrap_key: pair.publicPem,
  capabilities: ["sync"],
  version: "1.0",
  created_at: time
})

describe("identity proofs", () => {
  it.effect("hold for the identity as sent and its challenge only", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const identity = identityOf(pair)
      const proof = yield* proveIdentity(pair.privateKey, identity, "challenge")
      assert.isTrue(verifyIdentityProof(identity, "challenge", proof))
      assert.isFalse(verifyIdentityProof(identity, "challengf", proof))
      assert.isFalse(verifyIdentityProof({ ...identity, capabilities: [] }, "challenge", proof))
      assert.isFalse(verifyIdentityProof({ ...identity, public_key: (yield* generateKeys).publicPem }, "challenge", proof))
      assert.isFalse(verifyIdentityProof({ ...identity, public_key: "x" }, "challenge", proof))
      assert.isFalse(verifyIdentityProof({ ...identity, capabilities: ["\ud800"] }, "challenge", proof))
      const grown = Object.assign({ model: "2027" }, identity)
      assert.isTrue(verifyIdentityProof(grown, "c", yield* proveIdentity(pair.privateKey, grown, "c")))
      assert.isFalse(verifyIdentityProof(identity, "c", yield* proveIdentity(pair.privateKey, grown, "c")))
    }))

  it.effect("of a rotation are the old key's, over all of its fields", () =>
    Effect.gen(function*() {
      const old = yield* generateKeys
      const next = yield* generateKeys
      const rotation = { peer_id: peerId, public_key: next.publicPem, old_key_id: keyId(old.publicPem), grace_ends_at: time }
      const signature = yield* signRotation(old.privateKey, rotation)
      assert.isTrue(verifyRotation(old.publicPem, { ...rotation, ...{ signature } }, signature))
      assert.isFalse(verifyRotation(next.publicPem, rotation, signature))
      for (const field of ["peer_id", "public_key", "old_key_id", "grace_ends_at"]) {
        assert.isFalse(verifyRotation(old.publicPem, { ...rotation, [field]: "x" }, signature), field)
        assert.isFalse(verifyRotation(old.publicPem, { ...rotation, [field]: "\ud800" }, signature), field)
      }
    }))
})

describe("fresh proofs", () => {
  const request = { method: "DELETE", path: "/privacy/data?all=1", body: new Uint8Array(Buffer.from("{}")) }
  const expect = (pair: KeyPair) => ({ peerId, publicPem: pair.publicPem, request, now, nonces: nonces() })
  const verdict = (header: string, expected: ReturnType<typeof expect>) => {
    // the cache answers at once
    const read = Effect.runSync(Effect.result(verifyFreshProof(header, expected)))
    if (Result.isSuccess(read)) return "holds"
    return read.failure._tag === "ProofRefused" ? read.failure.reason : read.failure._tag
  }

  it.effect("hold once, and are refused for each reason", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const other = yield* generateKeys
      const header = yield* freshProof(pair.privateKey, { peerId, time }, request)
      // found by `npm run fuzz`: a lone surrogate has no canonical form
      const unspeakable = Buffer.from(`{"body_sha256":"${"A".repeat(43)}","method":"GET","nonce":"${"n".repeat(16)}","path":"/","peer_id":"${peerId}","signature":"\\ud800","time":"${time}"}`).toString("base64url")
      const full = nonces(makeNonceCache({ perPeerMax: 0, max: 0 }))
      const twice = expect(pair)
      assert.strictEqual(verdict(header, twice), "holds")
      const cases: Record<ProofRefused["reason"], ReadonlyArray<string>> = {
        replayed: [verdict(header, twice)],
        stale: [verdict(header, { ...expect(pair), now: now + 60_001 }), verdict(header, { ...expect(pair), now: now - 60_001 })],
        "other-peer": [verdict(header, { ...expect(pair), peerId: "peer_ffffffffffffffff" })],
        "other-request": [
          verdict(header, { ...expect(pair), request: { ...request, method: "PUT" } }),
          verdict(header, { ...expect(pair), request: { ...request, path: "/privacy/data" } }),
          verdict(header, { ...expect(pair), request: { ...request, body: new Uint8Array() } })
        ],
        "bad-signature": [verdict(header, expect(other))],
        "too-many": [verdict(header, { ...expect(pair), nonces: full })],
        malformed: [verdict("", expect(pair)), verdict("x", expect(pair)), verdict("A".repeat(9000), expect(pair)), verdict(`${header}=`, expect(pair)), verdict(unspeakable, expect(pair))]
      }
      for (const [reason, seen] of Object.entries(cases)) for (const one of seen) assert.strictEqual(one, reason)
      assert.strictEqual(verdict(header, { ...expect(pair), now: now + 60_000 }), "holds")
    }))

  it.effect("cannot be changed in any character, and spend no nonce when they do not hold", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const header = yield* freshProof(pair.privateKey, { peerId, time }, request)
      const expected = expect(pair)
      for (let at = 0; at < header.length; at++) {
        const changed = header.slice(0, at) + (header[at] === "A" ? "B" : "A") + header.slice(at + 1)
        assert.notStrictEqual(verdict(changed, expected), "holds", String(at))
      }
      const signed = { peer_id: peerId, method: "GET", path: "/", body_sha256: "A".repeat(43), nonce: "n".repeat(16), time }
      const more = Buffer.from(canonicalJson(signObject(pair.privateKey, "proof", { ...signed, more: 1 }))).toString("base64url")
      assert.strictEqual(verdict(more, expected), "malformed")
      assert.strictEqual(verdict(header, expected), "holds")
    }))
})

describe("the nonce cache", () => {
  it("refuses a nonce for two minutes, as long as any proof with it could hold", () => {
    const cache = makeNonceCache()
    assert.strictEqual(cache.spend("p", "n", 0), "fresh")
    for (const later of [0, 60_000, 120_000]) assert.strictEqual(cache.spend("p", "n", later), "replayed")
    assert.strictEqual(cache.spend("q", "n", 0), "fresh")
    assert.strictEqual(cache.spend("p", "n", 120_001), "fresh")
    assert.strictEqual(cache.spend("p", "n", 120_001), "replayed")
  })

  it("is bounded, in all and for each peer, and recovers", () => {
    const cache = makeNonceCache({ perPeerMax: 2, max: 3 })
    assert.deepStrictEqual(["a", "b", "c"].map((nonce) => cache.spend("p", nonce, 0)), ["fresh", "fresh", "too-many"])
    assert.deepStrictEqual(["a", "b"].map((nonce) => cache.spend("q", nonce, 0)), ["fresh", "too-many"])
    assert.strictEqual(cache.spend("p", "a", 1), "replayed")
    assert.deepStrictEqual(["a", "b", "c"].map((nonce) => cache.spend("p", nonce, 200_000)), ["fresh", "fresh", "too-many"])
  })
})
