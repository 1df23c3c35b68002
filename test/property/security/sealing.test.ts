// Goal: sealed text opens under its key and nothing else does; other JOSE software reads ours and we read theirs.
// Method: random texts both ways against jose, every one-byte change, every truncation, foreign headers.
import { createHash, createPublicKey } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { compactDecrypt, CompactEncrypt, importJWK } from "jose"
import { generateKeys, keyId } from "../../../src/security/keys.ts"
import { dataKey, dataKeyBytes, kidOf, newDataKey, open, seal, SealBroken, sealedUnder } from "../../../src/security/sealing.ts"
import { unwrapDataKey, wrapDataKey } from "../../../src/security/wrapping.ts"

const tenant = "t_abcdefghijklmnop"
const key = newDataKey(kidOf(tenant, 1))
const header = { alg: "dir", enc: "A256GCM", kid: key.kid }
const reasonOf = (read: Result.Result<string, SealBroken>) => Result.isFailure(read) ? read.failure.reason : "opened"
const byJoseSealed = (text: string, protectedHeader: { alg: string; enc: string; kid?: string; zip?: string }) =>
  new CompactEncrypt(Buffer.from(text)).setProtectedHeader(protectedHeader).encrypt(dataKeyBytes(key))

describe("sealing", () => {
  it.prop("opens what was sealed", [Schema.String], ([text]) => {
    const read = open(key, seal(key, text))
    return Result.isSuccess(read) && read.success === text.toWellFormed()
  })

  it.effect.prop("agrees with jose, both ways", [Schema.String], ([text]) =>
    Effect.gen(function*() {
      const plain = text.toWellFormed()
      const theirs = yield* Effect.promise(() => byJoseSealed(plain, header))
      assert.deepStrictEqual(open(key, theirs), Result.succeed(plain))
      const ours = yield* Effect.promise(() => compactDecrypt(seal(key, plain), dataKeyBytes(key)))
      assert.deepStrictEqual(ours.protectedHeader, header)
      assert.strictEqual(Buffer.from(ours.plaintext).toString("utf8"), plain)
    }))

  it("writes exactly the header of the contract, and a new IV each time", () => {
    const sealed = Array.from({ length: 2000 }, () => seal(key, "x"))
    assert.strictEqual(Buffer.from(sealed[0]!.split(".")[0]!, "base64url").toString(), `{"alg":"dir","enc":"A256GCM","kid":"${key.kid}"}`)
    assert.strictEqual(new Set(sealed.map((jwe) => jwe.split(".")[2])).size, sealed.length)
    assert.isTrue(sealed.every((jwe) => Result.isSuccess(open(key, jwe))))
  })

  it("takes 512 KiB and the empty text", () => {
    for (const text of ["", "é".repeat(256 * 1024)]) assert.deepStrictEqual(open(key, seal(key, text)), Result.succeed(text))
  })

  it("refuses any one character changed", () => {
    const jwe = seal(key, `{"content":"hello, world"}`)
    let seen = 0
    for (let at = 0; at < jwe.length; at++) {
      for (const other of ["A", "Z", "a", "_", "-", ".", "=", "\n", "é"]) {
        if (jwe[at] === other) continue
        const read = open(key, jwe.slice(0, at) + other + jwe.slice(at + 1))
        assert.isTrue(Result.isFailure(read) && read.failure instanceof SealBroken, `${at} ${JSON.stringify(other)}`)
        seen++
      }
    }
    assert.isAbove(seen, 1000)
  })

  it("refuses every truncation and anything added", () => {
    const jwe = seal(key, "hello")
    for (let length = 0; length < jwe.length; length++) assert.isTrue(Result.isFailure(open(key, jwe.slice(0, length))), String(length))
    for (const more of ["A", ".", "AA", "=", " "]) {
      assert.isTrue(Result.isFailure(open(key, jwe + more)))
      assert.isTrue(Result.isFailure(open(key, more + jwe)))
    }
  })

  it.effect("says why a text does not open", () =>
    Effect.gen(function*() {
      const sameKid = dataKey(key.kid, dataKeyBytes(newDataKey(key.kid)))
      assert.strictEqual(reasonOf(open(sameKid, seal(key, "x"))), "altered")
      assert.strictEqual(reasonOf(open(newDataKey(kidOf(tenant, 2)), seal(key, "x"))), "wrong-key")
      assert.strictEqual(reasonOf(open(key, "")), "malformed")
      assert.strictEqual(reasonOf(open(key, "a.b.c")), "malformed")
      const foreign = yield* Effect.promise(() =>
        Promise.all([
          byJoseSealed("x", { enc: "A256GCM", alg: "dir", kid: key.kid }),
          byJoseSealed("x", { alg: "A256GCMKW", enc: "A256GCM", kid: key.kid }),
          byJoseSealed("x", { alg: "dir", enc: "A256GCM" }),
          byJoseSealed("x", { alg: "dir", enc: "A256GCM", kid: "somebody's" })
        ])
      )
      for (const jwe of foreign) assert.strictEqual(reasonOf(open(key, jwe)), "wrong-algorithm")
      assert.deepStrictEqual(sealedUnder(seal(key, "x")), Result.succeed(key.kid))
    }))

  it("never shows a key where somebody prints it", () => {
    const bytes = Buffer.from(dataKeyBytes(key))
    for (const text of [JSON.stringify(key), String(key.secret)]) {
      assert.notInclude(text, bytes.toString("base64url"))
      assert.notInclude(text, bytes.toString("hex"))
    }
    assert.throws(() => dataKey(key.kid, bytes.subarray(1)), RangeError)
    assert.throws(() => dataKey("tenant", bytes), RangeError)
  })
})

describe("wrapping", () => {
  it.effect("hands a data key to the holder of the wrap key only", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const other = yield* generateKeys
      const id = keyId(pair.publicPem)
      const jwe = yield* wrapDataKey(key, pair.publicPem)
      const got = yield* unwrapDataKey(jwe, pair.privateKey, id)
      assert.strictEqual(got.kid, key.kid)
      assert.deepStrictEqual(dataKeyBytes(got), dataKeyBytes(key))

      const byJose = yield* Effect.promise(() => compactDecrypt(jwe, pair.privateKey))
      assert.deepStrictEqual(byJose.protectedHeader, { alg: "RSA-OAEP-256", enc: "A256GCM", kid: id })
      const jwk: { kty: string; k: string; kid: string } = JSON.parse(Buffer.from(byJose.plaintext).toString())
      assert.deepStrictEqual(Object.keys(jwk), ["kty", "k", "kid"])
      const imported = yield* Effect.promise(() => importJWK(jwk, "A256GCM"))
      assert.deepStrictEqual(imported, new Uint8Array(dataKeyBytes(key)))

      for (const refused of [
        unwrapDataKey(jwe, other.privateKey, keyId(other.publicPem)),
        unwrapDataKey(jwe, pair.privateKey, keyId(other.publicPem)),
        unwrapDataKey(jwe.slice(0, -1), pair.privateKey, id),
        unwrapDataKey(seal(key, "x"), pair.privateKey, id),
        unwrapDataKey("", pair.privateKey, id)
      ]) {
        assert.strictEqual((yield* Effect.flip(refused))._tag, "WrapRefused")
      }
      assert.strictEqual((yield* Effect.flip(wrapDataKey(key, "no key")))._tag, "KeyRefused")
    }))

  it.effect("refuses content that is no data key, without quoting it", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const id = keyId(pair.publicPem)
      const k = createHash("sha256").update("k").digest("base64url")
      for (const content of ["x", "{}", `{"kty":"oct","k":"AAAA","kid":"${key.kid}"}`, `{"kty":"oct","k":"${k}","kid":"me"}`, `{"kty":"RSA","k":"${k}","kid":"${key.kid}"}`]) {
        const jwe = yield* Effect.promise(() =>
          new CompactEncrypt(Buffer.from(content)).setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: id }).encrypt(createPublicKey(pair.publicPem))
        )
        const error = yield* Effect.flip(unwrapDataKey(jwe, pair.privateKey, id))
        assert.strictEqual(error._tag, "WrapRefused")
        assert.notInclude(JSON.stringify(error), k)
      }
    }))
})
