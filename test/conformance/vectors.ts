import { v5 } from "uuid"
import { fromBase64url, toBase64url, utf8 } from "../../src/security/portable/bytes.ts"
import { canonicalJson } from "../../src/security/portable/canonical.ts"
import { recordDigest } from "../../src/security/portable/commit.ts"
import { companionKey, digestOf, idsDigest, peerIdOf } from "../../src/security/portable/digest.ts"
import { signRotation } from "../../src/security/portable/handovers.ts"
import { companionBackendId, importPrivateKey, keyIdOf } from "../../src/security/portable/keys.ts"
import { dataKey, seal, sharedId } from "../../src/security/portable/sealing.ts"
import { createSessionToken, encodeBearer } from "../../src/security/portable/sessionToken.ts"
import { sign, signObject } from "../../src/security/portable/signing.ts"
import { simpleClientNamespace } from "../../streams/ids.ts"

/** A pair made for these vectors and published with them: it protects nothing. */
export interface TestKey {
  readonly private_key: string
  readonly public_key: string
}

const tenant = "t_abcdefghijklmnop"
const secret = Uint8Array.from({ length: 32 }, (_, i) => i)
const time = "2026-11-22T10:00:00.000Z"
const local = `local_sha256_${"a".repeat(64)}`
const hosted = `hosted_sha256_${"b".repeat(64)}`

/** Everything in the protocol that has one right answer, worked out once. */
export const deterministic = async ({ public_key }: TestKey) => {
  const backendId = await companionBackendId("ios", public_key)
  const peerId = await peerIdOf(tenant, backendId)
  const key = await dataKey(`${tenant}.1`, secret)
  const claims = { session_id: `sess_${peerId}_0123456789abcdef`, local_backend_id: local, hosted_backend_id: hosted, user_id: "ada", created_at: time, expires_at: "2026-11-22T18:00:00.000Z" }
  const token = await createSessionToken(claims, await companionKey(secret, backendId))
  const value = { "b": [1, 0.5, 1e21, -0, true, null], "a": "grüße, 世界 🐍\n", "\u{1F40D}": 1, "\uFB33": 2 }
  const event = JSON.stringify({ specversion: "1.0", id: "019abcde-0000-7000-8000-000000000001", type: "message.appended" })
  return {
    canonical_json: { value, text: canonicalJson(value) },
    identity: { public_key, key_id: await keyIdOf(public_key), tenant, backend_id: backendId, peer_id: peerId },
    companion_key: { secret: toBase64url(secret), backend_id: backendId, key: toBase64url(await companionKey(secret, backendId)) },
    session_binding_token: { key: toBase64url(await companionKey(secret, backendId)), claims, signature: token.signature, bearer: encodeBearer(token) },
    event_id: { namespace: simpleClientNamespace, name: canonicalJson([backendId, "groceries", "m1", 0]), id: v5(canonicalJson([backendId, "groceries", "m1", 0]), simpleClientNamespace) },
    shared_id: { data_key: toBase64url(secret), id: "ada@example.org", shared: await sharedId(key, "ada@example.org") },
    sealed: { data_key: toBase64url(secret), kid: key.kid, iv: "AAECAwQFBgcICQoL", plaintext: "{\"content\":\"hello\"}", jwe: await seal(key, "{\"content\":\"hello\"}", fromBase64url("AAECAwQFBgcICQoL")!) },
    digests: { event, hash: await digestOf(utf8(event)), ids: ["019abcde-0000-7000-8000-000000000001", "019abcde-0000-7000-8000-000000000002"], ids_digest: await idsDigest(["019abcde-0000-7000-8000-000000000001", "019abcde-0000-7000-8000-000000000002"]) }
  }
}

/** Signatures are salted: these hold, and so do others over the same text. `next`: the public key the test key gives way to. */
export const signatures = async (key: TestKey, next: string) => {
  const privateKey = await importPrivateKey(key.private_key, "signing")
  const { identity } = await deterministic(key)
  const own = { backend_id: identity.backend_id, backend_type: "companion", public_key: key.public_key, wrap_key: key.public_key, capabilities: [], version: "1.0", created_at: time }
  const text = canonicalJson({ identity: own, challenge: "challenge" })
  const payload = await signObject(privateKey, "sync", { sync_id: "s-1", timestamp: time, conversations: [] })
  const record = canonicalJson(await signObject(privateKey, "commit", {
    author: identity.peer_id, key_id: identity.key_id, sync_id: "s-1", journal: "j-1", from: 1, to: 1, ids: await idsDigest(["e"]), hashes: [await digestOf("event")],
    prev: "", seen: { log_seq: 0, head: "" }, time
  }))
  const rotation = { peer_id: "hosted", public_key: next, old_key_id: identity.key_id, grace_ends_at: "2026-11-29T10:00:00.000Z" }
  const signature = await signRotation(privateKey, rotation)
  return {
    rotated_identity: {
      known_key_id: identity.key_id, author: "hosted", text: canonicalJson(rotation),
      identity: {
        backend_id: hosted, backend_type: "hosted", public_key: next, wrap_key: next, capabilities: [], version: "1.0", created_at: time,
        previous_keys: [{ public_key: key.public_key, replaced_at: time, grace_ends_at: rotation.grace_ends_at, signature }]
      }
    },
    registration_answer: await signObject(privateKey, "registration", { status: "renewed", peer_id: identity.peer_id, expires_at: time, challenge: "f".repeat(64) }),
    identity_proof: { context: "maestra-identity-v1", text, signature: await sign(privateKey, "identity", text) },
    sync_payload: payload,
    commit_record: { record, digest: await recordDigest(record) },
    fresh_proof: await signObject(privateKey, "proof", { peer_id: identity.peer_id, method: "POST", path: "/keys/rotate?x=1", body_sha256: await digestOf(""), nonce: "AAECAwQFBgcICQoLDA0ODw", time })
  }
}
