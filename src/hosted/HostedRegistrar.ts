import { Clock, Duration, Effect, Result, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { type Draft, RegistrationRefused } from "../../streams/Backend.ts"
import type { RegisterPeer, Registered, Sealing } from "../../streams/Registration.ts"
import { Identity } from "../../streams/events/peer.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { fromBase64url, toBase64url } from "../security/digest.ts"
import { type Handover, handoversAt, isFirstOf } from "../security/handovers.ts"
import { keyId, publicKey } from "../security/keys.ts"
import { peerIdOf } from "../security/peerId.ts"
import { verifyIdentityProof } from "../security/proofs.ts"
import { type DataKey, dataKey, kidOf } from "../security/sealing.ts"
import { companionKey, type SessionToken } from "../security/sessionToken.ts"
import { wrapDataKey } from "../security/wrapping.ts"
import { secretsOf, sessionKeysOf, withSecret } from "./deviceSecrets.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import { findSecret, goneRefusal, refuse, wrongCode } from "./sessions.ts"
import type { Device, TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

export interface RegistrarContext {
  readonly tenants: Tenants
  readonly identity: Signer
  readonly own: Pick<OwnCommits, "write">
  readonly dataKey: (tenant: string) => DataKey | undefined
  readonly publicUrl: string
  /** The longest session accepted; 8 hours at most. */
  readonly sessionMax: Duration.Duration
  readonly leafUrls: ReadonlyArray<string>
  readonly logOf: (record: TenantRecord) => string
  readonly logIdentity: (tenant: string) => { readonly id: string; readonly epoch: number }
  readonly issueLeaf: (options: { readonly tenant: string; readonly peer: string; readonly transportKey: string; readonly expiresAt: number; readonly log: string }) => Effect.Effect<string, RegistrationRefused>
  readonly ensureConsumer: (tenant: string, peer: string) => Effect.Effect<void, RegistrationRefused>
}

/** How often surfaces of a companion should sync, where nothing tells them earlier. */
const syncInterval = Duration.seconds(5)

const readIdentity = Schema.decodeUnknownResult(Identity)

/**
 * `POST /register-peer` on the hosted side. The same backend again means renew.
 *
 * The token shows that its maker holds a secret this side handed out; the proof, that it holds the key it
 * names. Revoked and erased backends are told so before any secret is looked for: theirs is gone.
 */
export const registerOnHosted = Effect.fnUntraced(function*(context: RegistrarContext, body: RegisterPeer): Effect.fn.Return<Registered, RegistrationRefused> {
  const identity = readIdentity(body.backend_identity)
  if (Result.isFailure(identity)) return yield* refuse(400, "malformed-identity", identity.failure.message)
  const now = yield* Clock.currentTimeMillis
  const { backend_id, backend_type } = identity.success
  const { companionOf, record, secret, token } = yield* Effect.fromResult(findSecret(context, body.sbt, backend_id, now))
  if (companionOf === undefined && token.local_backend_id !== backend_id) return yield* refuse(401, "other-backends", "The token was made by another backend than the one that registers.")
  if (companionOf !== undefined && backend_type !== "companion") return yield* refuse(401, "other-backends", "Only a companion registers with a companion's session.")
  if (millisOf(token.expires_at) - millisOf(token.created_at) > Duration.toMillis(context.sessionMax)) {
    return yield* refuse(401, "token-refused", `This hosted backend accepts sessions of at most ${Duration.format(context.sessionMax)}.`)
  }
  // the identity as it was received: the proof is over all of its fields
  if (!verifyIdentityProof(body.backend_identity as Identity, token.signature, body.proof)) {
    return yield* refuse(401, "proof-invalid", "The proof was not made with the key the identity names.")
  }
  const key = yield* Effect.fromResult(publicKey(identity.success.public_key)).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why)))
  yield* Effect.fromResult(publicKey(identity.success.wrap_key)).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why)))

  const { tenant } = record
  const peer = peerIdOf(tenant, backend_id)
  const known = record.devices.find((device) => device.backend_id === backend_id)
  const signing = yield* Effect.fromResult(signingKeys(known, peer, identity.success, key, now))
  if (backend_type === "companion" && known === undefined && !isFirstOf(backend_id, peer, identity.success, now)) {
    return yield* refuse(400, "malformed-identity", "A companion's backend_id is its platform and the SHA-256 of its first public key.")
  }
  const device: Unbound = {
    backend_id,
    peer_id: peer,
    // whoever still comes with a key in its grace changes nothing
    identity: signing.inGrace && known !== undefined ? known.identity : identity.success,
    keys: signing.keys,
    transport_keys: unique([...(known?.transport_keys ?? []), ...(body.transport_key === undefined ? [] : [body.transport_key])]),
    registered_at: known?.registered_at ?? isoTime(now),
    expires_at: token.expires_at,
    ...(companionOf === undefined ? {} : { companion_of: companionOf })
  }
  const sealing = backend_type === "companion" ? { sealing: yield* sealFor(context, record, identity.success) } : {}
  const replication = body.transport_key === undefined ? {} : { replication: yield* replicate(context, record, peer, body.transport_key, identity.success, token) }

  // told first: readers that know a key too early lose nothing, and a peer without an answer comes again
  yield* tell(context, tenant, signing.handovers.map((data) => ({ fact: { type: "key.rotated", data }, subject: peer, surface: "hosted" })))
  const fresh = body.rotate_secret === true && companionOf === undefined ? new Uint8Array(randomBytes(32)) : undefined
  const after = yield* context.tenants.update(tenant, (current) => bind(current, device, { with: secret, fresh, now })).pipe(
    Effect.catchTag("TenantsUnavailable", ({ hint }) => Effect.fail(refuse(503, "try-again", hint))))
  yield* tell(context, tenant, [{
    fact: {
      type: known === undefined ? "peer.registered" : "peer.renewed",
      data: { peer_id: peer, identity: identity.success, challenge: token.signature, proof: body.proof, expires_at: token.expires_at }
    },
    subject: peer,
    surface: "hosted"
  }])

  const answer: Registered = {
    status: known === undefined ? "registered" : "renewed",
    peer_id: peer,
    sync_endpoint: `${context.publicUrl}/sync/${peer}`,
    telemetry_endpoint: `${context.publicUrl.replace(/^http/, "ws")}/telemetry/${peer}`,
    sync_interval_ms: Duration.toMillis(syncInterval),
    expires_at: token.expires_at,
    hosted_key_id: context.identity.keyId,
    ...replication,
    ...sealing,
    ...(yield* nextKey(after, device, secret, identity.success))
  }
  return yield* context.identity.signObject("registration", { ...answer, challenge: token.signature }).pipe(Effect.map(({ signature }) => ({ ...answer, signature })))
})

/** The key for the sessions to come, for whoever came with one that is in its grace: wrapped, so that nobody in between learns it. */
const nextKey = Effect.fnUntraced(function*(record: TenantRecord, device: Unbound, came: Uint8Array, identity: Identity) {
  const holder = record.devices.find(({ backend_id }) => backend_id === (device.companion_of ?? device.backend_id))
  const [present, ...previous] = holder === undefined ? [] : secretsOf(holder, 0)
  const mine = present === undefined || device.companion_of === undefined ? present : companionKey(present, device.backend_id)
  if (mine === undefined || toBase64url(mine) === toBase64url(came)) return {}
  const key = yield* wrapDataKey(dataKey(kidOf(record.tenant, previous.length), mine), identity.wrap_key).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why)))
  return { session_key: { key, grace_ends_at: holder?.previous_secrets?.[0]?.until ?? device.expires_at } }
})

const tell = (context: RegistrarContext, tenant: string, drafts: ReadonlyArray<Draft>) =>
  context.own.write(tenant, drafts).pipe(Effect.mapError(({ hint }) => refuse(503, "try-again", hint)))

/**
 * The signing keys of a device from here on. The first one is pinned; another one counts where the pinned one signed for
 * it, over as many steps as it takes. One in its grace is good, and stays what it is.
 */
const signingKeys = (known: Device | undefined, peer: string, identity: Identity, key: { readonly id: string }, now: number): Result.Result<{
  readonly keys: Device["keys"]
  readonly handovers: ReadonlyArray<Handover>
  readonly inGrace: boolean
}, RegistrationRefused> => {
  if (known === undefined) return Result.succeed({ keys: [{ keyId: key.id, publicKey: identity.public_key }], handovers: [], inGrace: false })
  const current = known.keys.at(-1)?.keyId ?? ""
  if (current === key.id) return Result.succeed({ keys: known.keys, handovers: [], inGrace: false })
  if (known.keys.some(({ keyId, until }) => keyId === key.id && until !== undefined && isoTime(now) < until)) return Result.succeed({ keys: known.keys, handovers: [], inGrace: true })
  const steps = handoversAt(current, peer, identity, now) ?? []
  if (steps.length === 0) return Result.fail(otherKey)
  const keys = steps.reduce((held, { grace_ends_at, public_key }): Device["keys"] => [
    ...held.slice(0, -1), { ...held.at(-1)!, until: grace_ends_at }, { keyId: keyId(public_key), publicKey: public_key, since: isoTime(now) }
  ], known.keys)
  return Result.succeed({ keys, handovers: steps, inGrace: false })
}

const otherKey = refuse(409, "other-key", "This backend is registered with another key. A new key needs a rotation signed by the old one. Where the old one is lost this device cannot come back: have it revoked, `maestra export` what is here, and pair a new data directory (MAESTRA_DATA_DIR) with a new code.")

const replicate = Effect.fnUntraced(function*(context: RegistrarContext, record: TenantRecord, peer: string, transportKey: string, identity: Identity, token: SessionToken) {
  const { tenant } = record
  const dataKey = context.dataKey(tenant)
  if (dataKey === undefined) return yield* refuse(503, "try-again", "The tenant's data key is not at hand; try again in a moment.")
  const log = context.logOf(record)
  const { epoch, id } = context.logIdentity(tenant)
  const leaf_jwt = yield* context.issueLeaf({ tenant, peer, transportKey, expiresAt: millisOf(token.expires_at), log })
  yield* context.ensureConsumer(tenant, peer)
  const data_key = yield* wrapDataKey(dataKey, identity.wrap_key).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why)))
  return { leaf_urls: context.leafUrls, leaf_jwt, log, consumer: `peer-${peer}`, tenant, data_key, log_id: id, log_epoch: epoch }
})

/** What a companion seals with, wrapped for it. */
const sealFor = Effect.fnUntraced(function*(context: RegistrarContext, record: TenantRecord, identity: Identity): Effect.fn.Return<Sealing, RegistrationRefused> {
  const keys = record.data_keys.flatMap(({ key, kid }) => {
    const bytes = fromBase64url(key)
    return bytes === undefined ? [] : [dataKey(kid, bytes)]
  })
  const data_keys = yield* Effect.forEach(keys, (key) => wrapDataKey(key, identity.wrap_key)).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why)))
  const { epoch, id } = context.logIdentity(record.tenant)
  return { tenant: record.tenant, data_keys, log_id: id, log_epoch: epoch }
})

/** A device without the secret its sessions are signed with. */
type Unbound = Omit<Device, "secret" | "previous_secrets">

/**
 * Put the device in place of what was known of it, and spend the pending secret it came with. Whoever came with its present
 * secret and wants another gets `fresh`; the old one is good for its grace.
 */
const bind = (record: TenantRecord, device: Unbound, came: { readonly with: Uint8Array; readonly fresh: Uint8Array | undefined; readonly now: number }): Result.Result<TenantRecord, RegistrationRefused> => {
  if (record.gone.some(({ backend_id }) => backend_id === device.backend_id)) return Result.fail(goneRefusal("revoked"))
  const held = record.devices.find(({ backend_id }) => backend_id === device.backend_id)
  const secret = toBase64url(came.with)
  const spent = record.pending.some((pending) => pending.secret === secret)
  const known = sessionKeysOf(record, device, came.now).some((key) => toBase64url(key) === secret)
  // its own secret as it is now, or one nobody else was faster to use
  if (!known && !spent) return Result.fail(wrongCode)
  const kept = held === undefined || spent || device.companion_of !== undefined ? { secret } : { secret: held.secret, previous_secrets: (held.previous_secrets ?? []).filter(({ until }) => isoTime(came.now) < until) }
  const next = { ...device, ...kept }
  return Result.succeed({
    ...record,
    devices: [...record.devices.filter(({ backend_id }) => backend_id !== device.backend_id), came.fresh === undefined || next.secret !== secret ? next : withSecret(next, came.fresh, came.now)],
    pending: record.pending.filter((pending) => pending.secret !== secret && isoTime(came.now) < pending.expires_at)
  })
}

const unique = (values: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(values)]
