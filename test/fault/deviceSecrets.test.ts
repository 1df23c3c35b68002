// Goal: a device's secret is replaced by one answer, sessions go on, and what was signed with the old one is refused when its grace has ended, its companions' too.
// Method: hosted's registration and sessions over one tenant's record in memory, with real keys and tokens; the clock is an argument.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { isoTime } from "../../streams/time.ts"
import { registerOnHosted, type RegistrarContext } from "../../src/hosted/HostedRegistrar.ts"
import { authenticateOnHosted } from "../../src/hosted/sessions.ts"
import type { TenantRecord } from "../../src/hosted/TenantRecord.ts"
import { makeTenants } from "../../src/hosted/Tenants.ts"
import { sessionSecrets, withNextSecret } from "../../src/local/Pairing.ts"
import { type Signer, signerOf } from "../../src/security/BackendIdentity.ts"
import { toBase64url } from "../../src/security/digest.ts"
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { companionBackendId, hostedBackendId, localBackendId, peerIdOf } from "../../src/security/peerId.ts"
import { dataKeyBytes, newDataKey } from "../../src/security/sealing.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"
import { companionKey, companionSessionId, createSessionToken, encodeBearer, newSessionId } from "../../src/security/sessionToken.ts"
import { verifyObject } from "../../src/security/signing.ts"
import { keys } from "../support/ingestRig.ts"
import type { Identity } from "../../streams/events/peer.ts"
import type { KeyPair } from "../../src/security/keys.ts"

const tenant = "t_aaaaaaaaaaaaaaaa"
const start = Date.parse("2026-11-22T12:00:00.000Z")
const day = 86_400_000
const identityOf = (backend_id: string, backend_type: Identity["backend_type"], pair: KeyPair): Identity =>
  ({ backend_id, backend_type, public_key: pair.publicPem, wrap_key: pair.publicPem, capabilities: [], version: "1.0", created_at: isoTime(start) })

/** Hosted with one user, whose machine `ada` has a code with the secret `first`, and a phone. */
const rig = Effect.gen(function*() {
  yield* TestClock.setTime(start)
  const made = yield* Effect.promise(() => keys)
  const [hostedPair, adaPair, phonePair] = [made["hosted"]!, made["ada"]!, made["next"]!]
  const hosted = signerOf({ identity: identityOf(hostedBackendId("d"), "hosted", hostedPair), signing: hostedPair, wrap: hostedPair })
  const ada = signerOf({ identity: identityOf(localBackendId("m", "i"), "local", adaPair), signing: adaPair, wrap: adaPair })
  const phone = signerOf({ identity: identityOf(Result.getOrThrow(companionBackendId("ios", phonePair.publicPem)), "companion", phonePair), signing: phonePair, wrap: phonePair })
  const first = new Uint8Array(32).fill(7)
  const key = newDataKey(`${tenant}.1`)
  const tenants = yield* makeTenants(yield* makeMemoryKeyValue("TENANTS"), newSecretKey(), "d")
  yield* tenants.ofUserOrNew("ada", (): TenantRecord => ({
    tenant, user_id: "ada", partition: 0, data_keys: [{ kid: key.kid, key: toBase64url(dataKeyBytes(key)) }],
    pending: [{ secret: toBase64url(first), expires_at: isoTime(start + 600_000) }], devices: [], gone: [], created_at: isoTime(start)
  }), tenant)
  const context: RegistrarContext = {
    tenants, identity: hosted, own: { write: () => Effect.succeed([]) }, dataKey: () => key, publicUrl: "https://h.example", sessionMax: Duration.hours(8), leafUrls: [],
    logOf: () => "LOG", logIdentity: () => ({ id: "l", epoch: 1 }), issueLeaf: () => Effect.succeed("jwt"), ensureConsumer: () => Effect.void
  }
  const now = Effect.clockWith((clock) => clock.currentTimeMillis)
  const tokenOf = (secret: Uint8Array, companion?: string) => Effect.map(now, (at) =>
    createSessionToken({ session_id: companion === undefined ? newSessionId() : companionSessionId(peerIdOf(tenant, companion)), local_backend_id: ada.identity.backend_id, hosted_backend_id: hosted.identity.backend_id, user_id: "ada", created_at: isoTime(at), expires_at: isoTime(at + 3_600_000) }, secret))
  /** Registers, and answers the key of the sessions to come where there is another; the answer is signed. */
  const register = Effect.fnUntraced(function*(who: Signer, secret: Uint8Array, rotate_secret = false) {
    const token = yield* tokenOf(secret, who === phone ? phone.identity.backend_id : undefined)
    const body = { backend_identity: who.identity, sbt: encodeBearer(token), proof: yield* who.prove(token.signature), ...(rotate_secret ? { rotate_secret } : {}), ...(who === ada ? { transport_key: "U" } : {}) }
    const answer = yield* registerOnHosted(context, body)
    assert.isTrue(verifyObject(hosted.identity.public_key, "registration", { ...answer, challenge: token.signature }))
    return answer.session_key === undefined ? undefined : { bytes: dataKeyBytes(yield* who.unwrap(answer.session_key.key)), until: answer.session_key.grace_ends_at }
  })
  /** Whether a session signed with that secret opens anything now. */
  const opens = (secret: Uint8Array, companion?: string) => Effect.gen(function*() {
    return Result.isSuccess(authenticateOnHosted(context, encodeBearer(yield* tokenOf(secret, companion)), yield* now))
  })
  return { ada, phone, first, register, opens, now }
})

describe("the secret of a device's sessions", () => {
  it.effect("is replaced by one answer, wrapped; the old one is good for seven days and no longer, for companions too", () =>
    Effect.gen(function*() {
      const { ada, first, opens, phone, register } = yield* rig
      assert.isUndefined(yield* register(ada, first))
      const k1 = companionKey(first, phone.identity.backend_id)
      assert.isUndefined(yield* register(phone, k1))
      const next = (yield* register(ada, first, true))!
      assert.strictEqual(next.until, isoTime(start + 7 * day))
      assert.notDeepEqual([...next.bytes], [...first])
      const k2 = companionKey(next.bytes, phone.identity.backend_id)
      for (const secret of [first, next.bytes]) assert.isTrue(yield* opens(secret))
      for (const k of [k1, k2]) assert.isTrue(yield* opens(k, phone.identity.backend_id))
      // the phone hears of its own at its next registration, and learns nothing of the machine's
      assert.deepStrictEqual([...(yield* register(phone, k1))!.bytes], [...k2])
      assert.isUndefined(yield* register(phone, k2))
      yield* TestClock.setTime(start + 7 * day)
      assert.deepStrictEqual([yield* opens(first), yield* opens(next.bytes)], [false, true])
      assert.deepStrictEqual([yield* opens(k1, phone.identity.backend_id), yield* opens(k2, phone.identity.backend_id)], [false, true])
      assert.include(yield* Effect.flip(register(ada, first)), { _tag: "RegistrationRefused", type: "wrong-code" })
      assert.include(yield* Effect.flip(register(phone, k1)), { _tag: "RegistrationRefused", type: "wrong-code" })
    }))

  it.effect("is told again where the answer got lost, and not replaced once more by that", () =>
    Effect.gen(function*() {
      const { ada, first, register } = yield* rig
      yield* register(ada, first)
      const lost = (yield* register(ada, first, true))!
      for (const rotate of [true, false]) assert.deepStrictEqual([...(yield* register(ada, first, rotate))!.bytes], [...lost.bytes])
      const third = (yield* register(ada, lost.bytes, true))!
      assert.notDeepEqual([...third.bytes], [...lost.bytes])
      assert.isUndefined(yield* register(ada, third.bytes))
    }))

  it("is kept on the machine with those in their grace only", () => {
    const secrets = { secret: Redacted.make(new Uint8Array([1])), previous: [{ secret: Redacted.make(new Uint8Array([0])), until: isoTime(start) }], transportSeed: Redacted.make(""), dataKeys: [] }
    const after = withNextSecret(secrets, new Uint8Array([2]), isoTime(start + day), isoTime(start + 1))
    assert.deepStrictEqual([after.secret, ...after.previous.map((one) => one.secret)].map((one) => [...Redacted.value(one)]), [[2], [1]])
    assert.deepStrictEqual(sessionSecrets(after, isoTime(start + day)).map((one) => [...one]), [[2]])
  })
})
