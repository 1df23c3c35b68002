// Goal: a commit is read only as the bytes its author signed, whatever other fields it holds.
// Method: records of ours and of other JSON writers, every one-byte change, random frames and every cut of one.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { commitEventsMax, payloadMaxBytes } from "../../../streams/limits.ts"
import { canonicalJson } from "../../../src/security/canonical.ts"
import { type CommitFields, frame, idsDigest, parseCommit, recordMaxBytes, signCommit, unframe, verifyCommit } from "../../../src/security/commit.ts"
import { digestOf } from "../../../src/security/digest.ts"
import { frameItems, unframeItems } from "../../../src/security/framing.ts"
import { generateKeys, keyId, type KeyPair } from "../../../src/security/keys.ts"
import { signObject } from "../../../src/security/signing.ts"

const fieldsFor = (pair: KeyPair): CommitFields => ({
  author: "peer_0123456789abcdef",
  key_id: keyId(pair.publicPem),
  sync_id: "s-1",
  journal: "j-1",
  from: 1,
  to: 2,
  ids: idsDigest(["a", "b"]),
  hashes: [digestOf("one"), digestOf("two")],
  prev: "",
  seen: { log_seq: 0, head: "" },
  time: "2026-11-22T10:00:00.000Z"
})
const holds = (bytes: Uint8Array, publicPem: string): boolean => {
  const commit = parseCommit(bytes)
  return Result.isSuccess(commit) && verifyCommit(commit.success, publicPem)
}
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text))

describe("commit records", () => {
  it.effect("hold as signed, and name themselves by their bytes", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const fields = fieldsFor(pair)
      const bytes = yield* signCommit(fields, pair.privateKey)
      const commit = Result.getOrThrow(parseCommit(bytes))
      assert.isTrue(verifyCommit(commit, pair.publicPem))
      assert.strictEqual(commit.digest, digestOf(bytes))
      assert.deepStrictEqual({ ...commit.record, signature: "" }, { ...fields, signature: "" })
      assert.strictEqual(commit.bytes, bytes)
      const other = yield* generateKeys
      assert.isFalse(verifyCommit(commit, other.publicPem))
      const misnamed = yield* signCommit({ ...fields, key_id: keyId(other.publicPem) }, pair.privateKey)
      for (const { publicPem } of [pair, other]) assert.isFalse(holds(misnamed, publicPem))
    }))

  it.effect("do not hold with any one byte changed", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const bytes = yield* signCommit(fieldsFor(pair), pair.privateKey)
      for (let at = 0; at < bytes.length; at++) {
        for (const flip of [1, 2, 16, 32, 128]) {
          const changed = Uint8Array.from(bytes)
          changed[at]! ^= flip
          assert.isFalse(holds(changed, pair.publicPem), `${at} ^ ${flip}`)
        }
      }
    }))

  it.effect("keep fields a newer version added under their signature", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const newer = signObject(pair.privateKey, "commit", { ...fieldsFor(pair), zone: { of: ["the", "future"] } })
      const bytes = bytesOf(canonicalJson(newer))
      assert.isTrue(holds(bytes, pair.publicPem))
      assert.isFalse(holds(bytesOf(canonicalJson({ ...newer, zone: { of: ["a", "future"] } })), pair.publicPem))
      const { zone: _, ...without } = newer
      assert.isFalse(holds(bytesOf(canonicalJson(without)), pair.publicPem))
    }))

  it.effect("may be written in any order and with blanks, but name no key twice", () =>
    Effect.gen(function*() {
      const pair = yield* generateKeys
      const signed = signObject(pair.privateKey, "commit", fieldsFor(pair))
      const pretty = JSON.stringify(Object.fromEntries(Object.entries(signed).reverse()), null, 2)
      assert.isTrue(holds(bytesOf(pretty), pair.publicPem))
      const text = canonicalJson(signed)
      for (const twice of [
        text.replace("{", `{"author":"hosted",`),
        text.replace("{", `{"\\u0061uthor":"hosted",`),
        text.replace(`"seen":{`, `"seen":{"head":"x",`)
      ]) {
        assert.strictEqual(canonicalJson(JSON.parse(twice)), text)
        const read = parseCommit(bytesOf(twice))
        assert.isTrue(Result.isFailure(read) && read.failure.why === "a key occurs twice")
      }
    }))

  it("are refused as anything else", () => {
    const cases = [
      bytesOf(""), bytesOf("{}"), bytesOf("[]"), bytesOf("null"), bytesOf("1"), Uint8Array.of(0xff, 0xfe),
      Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), new Uint8Array(recordMaxBytes + 1), bytesOf("[".repeat(100_000))
    ]
    for (const bytes of cases) assert.isTrue(Result.isFailure(parseCommit(bytes)))
  })
})

describe("frames", () => {
  const Items = Schema.Array(Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(Schema.isMinLength(1)))

  it.prop("come apart as they were put together", [Items], ([items]) => {
    const bytes = items.map((item) => Uint8Array.from(item))
    const read = Result.getOrThrow(unframeItems(frameItems(bytes)))
    assert.deepStrictEqual(read.map((item) => [...item]), items.map((item) => [...item]))
    return true
  })

  it("take lengths of one to four bytes, and a full commit", () => {
    for (const length of [1, 127, 128, 16_383, 16_384, 2 ** 21 - 1, 2 ** 21, payloadMaxBytes - 6]) {
      const read = Result.getOrThrow(unframe(frame(Uint8Array.of(1), [new Uint8Array(length).fill(7)])))
      assert.strictEqual(read.events[0]?.length, length)
    }
    const full = frame(Uint8Array.of(1), Array.from({ length: commitEventsMax }, () => Uint8Array.of(2)))
    assert.strictEqual(Result.getOrThrow(unframe(full)).events.length, commitEventsMax)
    assert.deepStrictEqual(Result.getOrThrow(unframe(frame(Uint8Array.of(1), []))).events, [])
  })

  it("are refused when cut anywhere but between items", () => {
    const items = [new Uint8Array(200).fill(1), Uint8Array.of(2), new Uint8Array(300).fill(3)]
    const whole = frameItems(items)
    const ends = new Set([0, 202, 204, whole.length])
    for (let length = 0; length <= whole.length; length++) {
      assert.strictEqual(Result.isSuccess(unframeItems(whole.subarray(0, length))), ends.has(length), String(length))
    }
  })

  it("have one form: overlong lengths, empty items, too many and too much are refused", () => {
    const refused = [
      [0x81, 0x00, 7], [0x81, 0x80, 0x00, 7], [0x80, 0x80, 0x80, 0x80, 0x01], [0x00], [1, 7, 0], [0x80], [2, 7],
      [0xff, 0xff, 0xff, 0xff, 0x7f], Array.from({ length: 2002 }, (_, at) => at % 2 === 0 ? 1 : 7)
    ]
    for (const bytes of refused) assert.isTrue(Result.isFailure(unframeItems(Uint8Array.from(bytes))), bytes.slice(0, 6).join())
    assert.isTrue(Result.isFailure(unframeItems(new Uint8Array(payloadMaxBytes + 1))))
    assert.isTrue(Result.isFailure(unframe(new Uint8Array())))
    assert.throws(() => frame(new Uint8Array(), []), RangeError)
    assert.throws(() => frameItems(Array.from({ length: 1001 }, () => Uint8Array.of(1))), RangeError)
    assert.throws(() => frameItems([new Uint8Array(payloadMaxBytes)]), RangeError)
  })
})
