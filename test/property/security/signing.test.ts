// Goal: a signature or MAC holds for exactly one key, context and text; only proper keys are worked with.
// Method: all Wycheproof vectors, every one-byte change of a signature, a list of keys to refuse.
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { fromBase64url, hmac, sameBytes, toBase64url } from "../../../src/security/digest.ts"
import { generateKeys, keyId, publicKey, readPrivateKey } from "../../../src/security/keys.ts"
import { contexts, sign, signAsync, type SigningContext, signObject, signObjectAsync, verify, verifyObject, verifyPss } from "../../../src/security/signing.ts"

const vectors = new URL("../../../../shared/data/crypto/", import.meta.url)
const missing = !existsSync(vectors)

interface PssFile {
  readonly testGroups: ReadonlyArray<{
    readonly publicKeyPem: string
    readonly tests: ReadonlyArray<{ readonly tcId: number; readonly msg: string; readonly sig: string; readonly result: string }>
  }>
}
interface MacFile {
  readonly testGroups: ReadonlyArray<{
    readonly tagSize: number
    readonly tests: ReadonlyArray<{ readonly tcId: number; readonly key: string; readonly msg: string; readonly tag: string; readonly result: string }>
  }>
}

describe.skipIf(missing)(`Wycheproof${missing ? " (skipped: ../shared/data missing)" : ""}`, () => {
  const hex = (text: string) => Buffer.from(text, "hex")

  it("RSA-PSS 2048, SHA-256, MGF1, salt 32: every vector gets its verdict", () => {
    const file: PssFile = JSON.parse(readFileSync(new URL("wycheproof_rsa_pss_2048_sha256_mgf1_32_test.json", vectors), "utf8"))
    const seen = { valid: 0, invalid: 0, acceptable: 0 }
    for (const group of file.testGroups) {
      const key = publicKey(group.publicKeyPem)
      assert.isTrue(Result.isSuccess(key))
      for (const test of group.tests) {
        const holds = Result.isSuccess(key) && verifyPss(key.success.key, hex(test.msg), hex(test.sig))
        if (test.result === "valid") assert.isTrue(holds, `tcId ${test.tcId}`)
        if (test.result === "invalid") assert.isFalse(holds, `tcId ${test.tcId}`)
        seen[test.result as keyof typeof seen]++
      }
    }
    assert.deepStrictEqual(seen, { valid: 63, invalid: 45, acceptable: 0 })
  })

  it("HMAC-SHA256: every vector gets its verdict", () => {
    const file: MacFile = JSON.parse(readFileSync(new URL("wycheproof_hmac_sha256_test.json", vectors), "utf8"))
    let seen = 0
    for (const group of file.testGroups) {
      for (const test of group.tests) {
        const mac = hmac(hex(test.key), hex(test.msg)).subarray(0, group.tagSize / 8)
        assert.strictEqual(sameBytes(mac, hex(test.tag)), test.result === "valid", `tcId ${test.tcId}`)
        seen++
      }
    }
    assert.strictEqual(seen, 174)
  })
})

describe("signatures", () => {
  const text = `{"a":1,"b":"ü"}`

  it.effect("hold for their key, context and text, on this thread and on another", () =>
    Effect.gen(function*() {
      const { privateKey, publicPem } = yield* generateKeys
      const other = yield* generateKeys
      for (const signature of [sign(privateKey, "commit", text), yield* signAsync(privateKey, "commit", text)]) {
        assert.isTrue(verify(publicPem, "commit", text, signature))
        assert.isFalse(verify(other.publicPem, "commit", text, signature))
        assert.isFalse(verify(publicPem, "commit", `${text} `, signature))
        for (const context of Object.keys(contexts)) {
          if (context !== "commit") assert.isFalse(verify(publicPem, context as SigningContext, text, signature), context)
        }
      }
    }))

  it.effect("do not hold with any one character changed, added or removed", () =>
    Effect.gen(function*() {
      const { privateKey, publicPem } = yield* generateKeys
      const signature = sign(privateKey, "proof", text)
      for (let at = 0; at < signature.length; at++) {
        for (const other of ["A", "B", "_", "=", "+", " "]) {
          if (signature[at] === other) continue
          assert.isFalse(verify(publicPem, "proof", text, signature.slice(0, at) + other + signature.slice(at + 1)), `${at} ${other}`)
        }
      }
      for (const changed of ["", `${signature}=`, `${signature}A`, signature.slice(1), ` ${signature}`]) {
        assert.isFalse(verify(publicPem, "proof", text, changed))
      }
    }))

  it.effect("of objects cover every field, unknown ones too", () =>
    Effect.gen(function*() {
      const { privateKey, publicPem } = yield* generateKeys
      const signed = signObject(privateKey, "sync", { known: 1, unknown: { deep: ["x"] } })
      assert.isTrue(verifyObject(publicPem, "sync", signed))
      assert.isTrue(verifyObject(publicPem, "sync", yield* signObjectAsync(privateKey, "sync", { one: 1 })))
      assert.isTrue(verifyObject(publicPem, "sync", JSON.parse(JSON.stringify(signed))))
      assert.isFalse(verifyObject(publicPem, "sync", { ...signed, more: 1 }))
      assert.isFalse(verifyObject(publicPem, "sync", { ...signed, unknown: { deep: ["y"] } }))
      assert.isFalse(verifyObject(publicPem, "sync", { known: 1, unknown: { deep: ["x"] } }))
      assert.isFalse(verifyObject(publicPem, "sync", { ...signed, known: "\ud800" }))
    }))
})

describe("keys", () => {
  it.effect("come back from their PEM, and have the same id whatever the line length", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const again = Result.getOrThrow(readPrivateKey(pair.privatePem))
      assert.strictEqual(again.publicPem, pair.publicPem)
      const oneLine = `-----BEGIN PUBLIC KEY-----\n${pair.publicPem.split("\n").slice(1, -2).join("")}\n-----END PUBLIC KEY-----`
      assert.strictEqual(keyId(oneLine), keyId(pair.publicPem))
      assert.match(keyId(pair.publicPem), /^[A-Za-z0-9_-]{43}$/)
      assert.notInclude(JSON.stringify(pair) + String(pair.privatePem), "PRIVATE KEY")
    }))

  it("that are not RSA of 2,048 to 4,096 bits with exponent 65537, as SPKI, are refused", () => {
    const spki = { type: "spki", format: "pem" } as const
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export(spki).toString()
    const small = generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 }).publicKey.export(spki).toString()
    const curve = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export(spki).toString()
    const pssOnly = generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey.export(spki).toString()
    const good = generateKeyPairSync("rsa", { modulusLength: 2048 })
    const privatePem = good.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
    const pkcs1 = good.publicKey.export({ type: "pkcs1", format: "pem" }).toString()
    for (const pem of [weak, small, curve, pssOnly, privatePem, pkcs1, "", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]) {
      const read = publicKey(pem)
      assert.isTrue(Result.isFailure(read))
      assert.isFalse(verify(pem, "commit", "x", "x"))
      assert.throws(() => keyId(pem))
    }
    const refused = readPrivateKey(Redacted.make("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"))
    assert.isTrue(Result.isFailure(refused) && !JSON.stringify(refused.failure).includes("c2VjcmV0"))
    assert.isTrue(createPublicKey(good.privateKey).equals(good.publicKey))
  })
})

describe("base64url", () => {
  it("is read only as it is written", () => {
    assert.deepStrictEqual(fromBase64url(toBase64url(Buffer.from([251, 255, 0]))), Buffer.from([251, 255, 0]))
    for (const text of ["AB", "AA==", "A", "A+", "A/", "AA A", "AA\n", "Ä"]) assert.isUndefined(fromBase64url(text), text)
  })
})
