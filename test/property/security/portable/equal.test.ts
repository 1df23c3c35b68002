// Goal: what runs in browsers and phones (WebCrypto) makes and takes the same bytes as the backends (node:crypto).
// Method: published vectors and random values through both; what one makes the other must take, and refuse when altered.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result, Schema } from "effect"
import * as canonical from "../../../../src/security/canonical.ts"
import { idsDigest as nodeIdsDigest, parseCommit, signCommit as nodeSignCommit, verifyCommit as nodeVerifyCommit } from "../../../../src/security/commit.ts"
import * as digest from "../../../../src/security/digest.ts"
import { generateKeys, keyId, type KeyPair as NodePair, readPrivateKey } from "../../../../src/security/keys.ts"
import { encodePairingCode } from "../../../../src/security/pairingCode.ts"
import { companionBackendId as nodeCompanionId, peerIdOf as nodePeerIdOf } from "../../../../src/security/peerId.ts"
import * as proofs from "../../../../src/security/proofs.ts"
import { nonces } from "../../../../src/security/NonceCache.ts"
import { dataKey as nodeDataKey, open as nodeOpen, seal as nodeSeal } from "../../../../src/security/sealing.ts"
import * as tokens from "../../../../src/security/sessionToken.ts"
import { sharedId as nodeSharedId } from "../../../../src/security/sharedId.ts"
import { sign as nodeSign, verify as nodeVerify } from "../../../../src/security/signing.ts"
import { wrapDataKey } from "../../../../src/security/wrapping.ts"
import { fromBase64url, fromUtf8, toBase64url, utf8 } from "../../../../src/security/portable/bytes.ts"
import { canonicalJson } from "../../../../src/security/portable/canonical.ts"
import { recordDigest, signCommit, verifyCommit } from "../../../../src/security/portable/commit.ts"
import { companionKey, digestOf, hexDigestOf, hmac, idsDigest, peerIdOf } from "../../../../src/security/portable/digest.ts"
import { companionBackendId, exportPrivateKey, generateKeyPairs, importPrivateKey, keyIdOf, type KeyPairs } from "../../../../src/security/portable/keys.ts"
import { decodePairingCode } from "../../../../src/security/portable/pairingCode.ts"
import { freshProof, type Identity, proveIdentity, verifyIdentityProof } from "../../../../src/security/portable/proofs.ts"
import { dataKey, open, seal, sharedId } from "../../../../src/security/portable/sealing.ts"
import { companionSessionId, createSessionToken, decodeBearer, encodeBearer, verifySessionToken } from "../../../../src/security/portable/sessionToken.ts"
import { sign, verify } from "../../../../src/security/portable/signing.ts"
import { unwrapDataKey } from "../../../../src/security/portable/wrapping.ts"

const shared = new URL("../../../../../shared/data/crypto/", import.meta.url)
const missing = !existsSync(shared)
const title = missing ? " (skipped: ../shared/data missing)" : ""
const read = (file: string) => readFileSync(new URL(file, shared), "utf8")

const time = "2026-11-22T10:00:00.000Z"
const tenant = "t_abcdefghijklmnop"
const raw = new Uint8Array(32).map((_, i) => i * 7)
const kid = `${tenant}.1`
let pairs: KeyPairs
let node: NodePair

beforeAll(async () => {
  pairs = await generateKeyPairs(true)
  node = await Effect.runPromise(generateKeys)
})

describe.skipIf(missing)(`published vectors${title}`, () => {
  it("RFC 8785 pairs", () => {
    const names = readdirSync(new URL("jcs/input/", shared))
    assert.strictEqual(names.length, 6)
    for (const name of names) assert.strictEqual(canonicalJson(JSON.parse(read(`jcs/input/${name}`))), read(`jcs/output/${name}`).trimEnd(), name)
  })

  it("HMAC-SHA256", async () => {
    const { testGroups } = JSON.parse(read("wycheproof_hmac_sha256_test.json")) as { testGroups: ReadonlyArray<{ tagSize: number; tests: ReadonlyArray<{ key: string; msg: string; tag: string; result: string }> }> }
    let seen = 0
    for (const { tagSize, tests } of testGroups) {
      for (const { key, msg, result, tag } of tests) {
        if (key === "" || tagSize !== 256) continue
        const mac = Buffer.from(await hmac(Uint8Array.from(Buffer.from(key, "hex")), Uint8Array.from(Buffer.from(msg, "hex")))).toString("hex")
        assert.strictEqual(mac === tag, result !== "invalid")
        seen++
      }
    }
    assert.isAbove(seen, 50)
  })
})

describe("bytes and digests", () => {
  it.effect.prop("are equal for any JSON and any text", { value: Schema.Json, text: Schema.String }, ({ text, value }) =>
    Effect.promise(async () => {
      const theirs = canonical.tryCanonicalJson(value)
      if (Result.isSuccess(theirs)) assert.strictEqual(canonicalJson(value), theirs.success)
      else assert.throws(() => canonicalJson(value))
      assert.strictEqual(toBase64url(utf8(text)), Buffer.from(text).toString("base64url"))
      if (text.isWellFormed()) assert.strictEqual(fromUtf8(fromBase64url(toBase64url(utf8(text)))!), text)
      assert.strictEqual(await digestOf(text), digest.digestOf(text))
      assert.strictEqual(await hexDigestOf(text), digest.hexDigestOf(text))
      assert.strictEqual(await sharedId(await dataKey(kid, raw), text), nodeSharedId(nodeDataKey(kid, raw), text))
    }), { arbitrary: { runs: 100 } })

  it("refuse every other way to write base64url", () => {
    for (const text of ["A", "AB", "AA=", "A A", "+/", "AAB"]) assert.strictEqual(fromBase64url(text) === undefined, digest.fromBase64url(text) === undefined, text)
  })

  it("peer ids, companion ids, companion keys and journal ids", async () => {
    const id = await companionBackendId("ios", node.publicPem)
    assert.deepStrictEqual(Result.succeed(id), nodeCompanionId("ios", node.publicPem))
    assert.strictEqual(await peerIdOf(tenant, id), nodePeerIdOf(tenant, id))
    assert.deepStrictEqual(Buffer.from(await companionKey(raw, id)), Buffer.from(tokens.companionKey(raw, id)))
    assert.strictEqual(await idsDigest(["a", "b"]), nodeIdsDigest(["a", "b"]))
    assert.strictEqual(await keyIdOf(node.publicPem), keyId(node.publicPem))
  })
})

describe("keys and signatures", () => {
  it("a pair moves between them, by its PEM", async () => {
    const moved = readPrivateKey(Redacted.make(await exportPrivateKey(pairs.signing.privateKey)))
    assert.isTrue(Result.isSuccess(moved) && moved.success.publicPem === pairs.signing.publicPem)
    const back = await importPrivateKey(Redacted.value(node.privatePem), "signing")
    assert.isTrue(nodeVerify(node.publicPem, "sync", "text", await sign(back, "sync", "text")))
  })

  it("each takes the other's signature in its context, and no other", async () => {
    assert.isTrue(nodeVerify(pairs.signing.publicPem, "commit", "text", await sign(pairs.signing.privateKey, "commit", "text")))
    const theirs = nodeSign(node.privateKey, "commit", "text")
    assert.isTrue(await verify(node.publicPem, "commit", "text", theirs))
    assert.isFalse(await verify(node.publicPem, "sync", "text", theirs))
    assert.isFalse(await verify(node.publicPem, "commit", "texts", theirs))
    assert.isFalse(await verify("no key", "commit", "text", theirs))
  })

  it("a commit of either holds for the other", async () => {
    const event = "{\"id\":\"e\"}"
    const fields = {
      author: "peer_0123456789abcdef", key_id: await keyIdOf(pairs.signing.publicPem), sync_id: "s", journal: "j", from: 1, to: 1,
      ids: await idsDigest(["e"]), hashes: [await digestOf(event)], prev: "", seen: { log_seq: 0, head: "" }, time
    }
    const record = await signCommit(fields, pairs.signing.privateKey)
    const parsed = parseCommit(Buffer.from(record))
    assert.isTrue(Result.isSuccess(parsed) && nodeVerifyCommit(parsed.success, pairs.signing.publicPem) && parsed.success.digest === await recordDigest(record))
    assert.isTrue(await verifyCommit({ record, events: [event] }, pairs.signing.publicPem))
    assert.isFalse(await verifyCommit({ record, events: [`${event} `] }, pairs.signing.publicPem))
    const theirs = Buffer.from(await Effect.runPromise(nodeSignCommit({ ...fields, key_id: keyId(node.publicPem) }, node.privateKey))).toString()
    assert.isTrue(await verifyCommit({ record: theirs, events: [event] }, node.publicPem))
    assert.isFalse(await verifyCommit({ record: theirs.replace("\"from\":1", "\"from\":2"), events: [event] }, node.publicPem))
  })

  it("identity proofs and fresh proofs", async () => {
    const identity: Identity = {
      backend_id: await companionBackendId("ios", pairs.signing.publicPem), backend_type: "companion", public_key: pairs.signing.publicPem,
      wrap_key: pairs.wrap.publicPem, capabilities: ["commit.v1"], version: "1.0", created_at: time
    }
    const proof = await proveIdentity(pairs.signing.privateKey, identity, "challenge")
    assert.isTrue(proofs.verifyIdentityProof(identity, "challenge", proof) && await verifyIdentityProof(identity, "challenge", proof))
    assert.isFalse(await verifyIdentityProof(identity, "another", proof))
    const request = { method: "POST", path: "/x?y=1", body: utf8("{}") }
    const peerId = "peer_0123456789abcdef"
    const header = await freshProof(pairs.signing.privateKey, { peerId, time }, request)
    const used = nonces()
    const check = () => Effect.runPromise(Effect.result(proofs.verifyFreshProof(header, { peerId, publicPem: pairs.signing.publicPem, request, now: Date.parse(time), nonces: used })))
    assert.isTrue(Result.isSuccess(await check()))
    assert.isTrue(Result.isFailure(await check()))
  })
})

describe("secrets", () => {
  it("sealing is equal byte for byte under one IV, and each opens the other's", async () => {
    const [mine, theirs] = [await dataKey(kid, raw), nodeDataKey(kid, raw)]
    for (const text of ["", "hello", "é".repeat(70_000), JSON.stringify({ a: 1 })]) {
      const jwe = nodeSeal(theirs, text)
      assert.strictEqual(await open(mine, jwe), text)
      assert.strictEqual(await seal(mine, text, fromBase64url(jwe.split(".")[2]!)), jwe)
      assert.deepStrictEqual(nodeOpen(theirs, await seal(mine, text)), Result.succeed(text))
    }
  })

  it("a changed seal does not open", async () => {
    const key = await dataKey(kid, raw)
    const jwe = await seal(key, "hello, world")
    for (let at = 0; at < jwe.length; at++) {
      const other = jwe.slice(0, at) + (jwe[at] === "A" ? "B" : "A") + jwe.slice(at + 1)
      assert.isUndefined(await open(key, other).catch(() => undefined), String(at))
    }
  })

  it("a wrapped data key opens with its wrap key only", async () => {
    const id = await keyIdOf(pairs.wrap.publicPem)
    const jwe = await Effect.runPromise(wrapDataKey(nodeDataKey(kid, raw), pairs.wrap.publicPem))
    const key = await unwrapDataKey(jwe, pairs.wrap.privateKey, id)
    assert.deepStrictEqual([key.kid, Buffer.from(key.raw)], [kid, Buffer.from(raw)])
    const other = (await generateKeyPairs(false)).wrap
    for (const [text, wrap, name] of [[jwe, other.privateKey, id], [jwe, pairs.wrap.privateKey, "another"], [jwe.slice(0, -2), pairs.wrap.privateKey, id]] as const) {
      assert.isUndefined(await unwrapDataKey(text, wrap, name).catch(() => undefined))
    }
  })

  it("session tokens, bearers and pairing codes", async () => {
    const claims = {
      session_id: companionSessionId("peer_0123456789abcdef"), local_backend_id: `local_sha256_${"a".repeat(64)}`, hosted_backend_id: `hosted_sha256_${"b".repeat(64)}`,
      user_id: "ada", created_at: time, expires_at: "2026-11-22T18:00:00.000Z"
    }
    assert.strictEqual(tokens.companionOfSession(claims.session_id), "peer_0123456789abcdef")
    const token = await createSessionToken(claims, raw)
    assert.deepStrictEqual(token, tokens.createSessionToken(claims, raw))
    assert.strictEqual(encodeBearer(token), tokens.encodeBearer(token))
    assert.deepStrictEqual(decodeBearer(encodeBearer(token)), token)
    assert.isUndefined(decodeBearer(`${encodeBearer(token)}A`))
    assert.isTrue(await verifySessionToken(token, raw))
    assert.isFalse(await verifySessionToken({ ...token, user_id: "bob" }, raw))
    const code = { url: "https://sync.example.org", fingerprint: keyId(node.publicPem), userId: "ada" }
    assert.deepStrictEqual(await decodePairingCode(encodePairingCode({ ...code, secret: Redacted.make(raw) })), { ...code, secret: raw })
  })
})
