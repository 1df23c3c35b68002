// Goal: a session binding token holds only as made: same fields, same key, same backends, at its time.
// Method: one case for each refusal, its boundaries to the millisecond, every one-character change of a bearer.
import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { canonicalJson } from "../../../src/security/canonical.ts"
import { peerIdOf } from "../../../src/security/peerId.ts"
import {
  companionKey, companionOfSession, companionSessionId, createSessionToken, decodeBearer, encodeBearer, newSessionId,
  type SessionClaims, type SessionToken, type TokenRefused, verifySessionToken
} from "../../../src/security/sessionToken.ts"

const key = new Uint8Array(32).fill(7)
const created = Date.parse("2026-11-22T10:00:00.000Z")
const minute = 60_000
const hour = 60 * minute
const at = (ms: number) => new Date(ms).toISOString()
const claims: SessionClaims = {
  session_id: "sess_1",
  local_backend_id: `local_sha256_${"a".repeat(64)}`,
  hosted_backend_id: `hosted_sha256_${"b".repeat(64)}`,
  user_id: "justin",
  created_at: at(created),
  expires_at: at(created + 8 * hour)
}
const expected = { key, now: created + hour, localBackendId: claims.local_backend_id, hostedBackendId: claims.hosted_backend_id }
const verdict = (token: SessionToken, changes: Partial<typeof expected> = {}) => {
  const read = verifySessionToken(token, { ...expected, ...changes })
  return Result.isSuccess(read) ? "holds" : read.failure.reason
}

describe("session binding tokens", () => {
  it("hold as made", () => {
    const token = createSessionToken(claims, key)
    assert.strictEqual(verdict(token), "holds")
    assert.strictEqual(token.signature, createHmac("sha256", key).update(canonicalJson(claims)).digest("hex"))
  })

  it("are refused for each reason, and each has a hint", () => {
    const token = createSessionToken(claims, key)
    const made = (changes: Partial<SessionClaims>) => createSessionToken({ ...claims, ...changes }, key)
    const cases: Record<TokenRefused["reason"], ReadonlyArray<readonly [SessionToken, Partial<typeof expected>?]>> = {
      expired: [[token, { now: created + 8 * hour + 1 }]],
      "too-long": [[made({ expires_at: at(created + 8 * hour + 1) })]],
      "from-the-future": [[token, { now: created - minute - 1 }]],
      "other-backends": [
        [token, { localBackendId: `local_sha256_${"c".repeat(64)}` }],
        [token, { hostedBackendId: `hosted_sha256_${"c".repeat(64)}` }]
      ],
      "wrong-mac": [
        [token, { key: new Uint8Array(32).fill(8) }],
        [{ ...token, user_id: "else" }],
        [{ ...token, expires_at: at(created + 7 * hour) }],
        [{ ...token, signature: token.signature.toUpperCase() === token.signature ? "" : "0".repeat(64) }]
      ],
      malformed: [[made({ expires_at: at(created - 1) })]]
    }
    for (const [reason, list] of Object.entries(cases)) {
      for (const [bad, changes] of list) {
        assert.strictEqual(verdict(bad, changes), reason)
        const read = verifySessionToken(bad, { ...expected, ...changes })
        assert.isAbove(Result.isFailure(read) ? read.failure.hint.length : 0, 20)
      }
    }
  })

  it("hold up to the boundaries, both included", () => {
    const token = createSessionToken(claims, key)
    assert.strictEqual(verdict(token, { now: created + 8 * hour }), "holds")
    assert.strictEqual(verdict(token, { now: created - minute }), "holds")
  })

  it("travel as a bearer, of which no character can change", () => {
    const token = createSessionToken(claims, key)
    const bearer = encodeBearer(token)
    assert.deepStrictEqual(decodeBearer(bearer), Result.succeed(token))
    for (let place = 0; place < bearer.length; place++) {
      for (const other of ["A", "z", "_", "="]) {
        if (bearer[place] === other) continue
        const read = decodeBearer(bearer.slice(0, place) + other + bearer.slice(place + 1))
        assert.isTrue(Result.isFailure(read) || verdict(read.success) !== "holds", `${place} ${other}`)
      }
    }
  })

  it("are malformed in any other shape", () => {
    const token = createSessionToken(claims, key)
    const encode = (value: unknown) => Buffer.from(typeof value === "string" ? value : canonicalJson(value)).toString("base64url")
    const { user_id: _, ...without } = token
    for (const bearer of ["", "x", encode("{}"), encode("nonsense"), encode(without), encode({ ...token, more: 1 }), encode(JSON.stringify(token, null, 1)), encode({ ...token, created_at: "2026-11-22" }), "A".repeat(5000), `${encodeBearer(token)}=`]) {
      const read = decodeBearer(bearer)
      assert.isTrue(Result.isFailure(read) && read.failure.reason === "malformed", bearer.slice(0, 40))
    }
  })

  it.prop("carry any user id that is well-formed text", [Schema.NonEmptyString], ([user_id]) => {
    const user = user_id.toWellFormed().slice(0, 100).toWellFormed()
    const read = decodeBearer(encodeBearer(createSessionToken({ ...claims, user_id: user }, key)))
    return Result.isSuccess(read) && read.success.user_id === user && verdict(read.success) === "holds"
  })
})

describe("companions", () => {
  it("have a key of their own, and a session id that names them", () => {
    const id = `ios_sha256_${"d".repeat(64)}`
    assert.strictEqual(Buffer.from(companionKey(key, id)).toString("hex"), createHmac("sha256", key).update(`maestra-companion-v1\0${id}`).digest("hex"))
    const peer = peerIdOf("t_abcdefghijklmnop", id)
    assert.strictEqual(companionOfSession(companionSessionId(peer)), peer)
    assert.isUndefined(companionOfSession(newSessionId()))
    assert.isUndefined(companionOfSession(`sess_${peer}_x.y`))
  })
})
