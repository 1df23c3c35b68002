import { Clock, Duration, Effect, Result, Schema } from "effect"
import { type Draft, type RegisterPeer, type Registered, RegistrationRefused, type Sealing } from "../../streams/Backend.ts"
import { Identity } from "../../streams/events/peer.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import type { Claimed } from "../security/auditedRegistrar.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { fromBase64url, toBase64url } from "../security/digest.ts"
import { type Handover, handovers, keyGrace } from "../security/handovers.ts"
import { keyId, publicKey } from "../security/keys.ts"
import { isCompanionOf, peerIdOf } from "../security/peerId.ts"
import { verifyIdentityProof } from "../security/proofs.ts"
import { type DataKey, dataKey } from "../security/sealing.ts"
import { companionKey, companionOfSession, decodeBearer, type SessionToken, verifySessionToken } from "../security/sessionToken.ts"
import { wrapDataKey } from "../security/wrapping.ts"
import type { ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import type { Device, TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

export interface RegistrarContext {
  readonly tenants: Tenants
  readonly identity: Signer
  readonly own: OwnCommits
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

const refuse = (status: RegistrationRefused["status"], type: string, hint: string) => new RegistrationRefused({ status, type, hint })
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
  if (backend_type === "companion" && known === undefined && !isCompanionOf(backend_id, identity.success.public_key)) {
    return yield* refuse(400, "malformed-identity", "A companion's backend_id is its platform and the SHA-256 of its public key.")
  }
  const device: Device = {
    backend_id,
    peer_id: peer,
    secret: toBase64url(secret),
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
  yield* context.tenants.update(tenant, (current) => bind(current, device, isoTime(now))).pipe(
    Effect.catchTag("TenantsUnavailable", ({ hint }) => Effect.fail(refuse(503, "try-again", hint))))
  yield* tell(context, tenant, [{
    fact: {
      type: known === undefined ? "peer.registered" : "peer.renewed",
      data: { peer_id: peer, identity: identity.success, challenge: token.signature, proof: body.proof, expires_at: token.expires_at }
    },
    subject: peer,
    surface: "hosted"
  }])

  return {
    status: known === undefined ? "registered" : "renewed",
    peer_id: peer,
    sync_endpoint: `${context.publicUrl}/sync/${peer}`,
    telemetry_endpoint: `${context.publicUrl.replace(/^http/, "ws")}/telemetry/${peer}`,
    sync_interval_ms: Duration.toMillis(syncInterval),
    expires_at: token.expires_at,
    hosted_key_id: context.identity.keyId,
    ...replication,
    ...sealing
  }
})

const tell = (context: RegistrarContext, tenant: string, drafts: ReadonlyArray<Draft>) =>
  context.own.write(tenant, drafts).pipe(Effect.mapError(({ hint }) => refuse(503, "try-again", hint)))

/** Clocks differ; a grace that ends this much later than the longest is one of seven days. */
const graceSkew = Duration.minutes(10)

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
  const steps = handovers(current, peer, identity) ?? []
  const graceMax = isoTime(now + Duration.toMillis(keyGrace) + Duration.toMillis(graceSkew))
  if (steps.length === 0 || steps.some(({ grace_ends_at }) => grace_ends_at > graceMax)) return Result.fail(otherKey)
  const keys = steps.reduce((held, { grace_ends_at, public_key }): Device["keys"] => [
    ...held.slice(0, -1), { ...held.at(-1)!, until: grace_ends_at }, { keyId: keyId(public_key), publicKey: public_key, since: isoTime(now) }
  ], known.keys)
  return Result.succeed({ keys, handovers: steps, inGrace: false })
}

const otherKey = refuse(409, "other-key", "This backend is registered with another key. A new key needs a rotation signed by the old one; a lost key needs `maestra hosted revoke` and a new pairing code.")

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

interface Found {
  readonly record: TenantRecord
  readonly token: SessionToken
  /** S of the device, or K of its companion. */
  readonly secret: Uint8Array
  /** The local backend whose companion registers. */
  readonly companionOf: string | undefined
}

/** The secret that made this token: the device's own, or one handed out and not yet bound. */
const findSecret = (context: RegistrarContext, bearer: string, backendId: string, now: number): Result.Result<Found, RegistrationRefused> => {
  const decoded = decodeBearer(bearer)
  if (Result.isFailure(decoded)) return Result.fail(refuse(401, "token-refused", decoded.failure.hint))
  const token = decoded.success
  const record = context.tenants.ofUser(token.user_id)
  if (record === undefined) return Result.fail(erasedRefusal(context, backendId) ?? wrongCode)
  const gone = record.gone.find(({ backend_id }) => backend_id === token.local_backend_id || backend_id === backendId)
  if (gone !== undefined) return Result.fail(goneRefusal(gone.what))
  const companion = companionOfSession(token.session_id)
  if (companion !== undefined && companion !== peerIdOf(record.tenant, backendId)) return Result.fail(refuse(401, "other-backends", "The session is another companion's."))
  const companionOf = companion === undefined ? undefined : token.local_backend_id
  const known = record.devices.find(({ backend_id }) => backend_id === token.local_backend_id)
  // a device that was unpaired over there comes back with a new code; its key is still the pinned one
  const pending = record.pending.filter(({ expires_at }) => now < millisOf(expires_at)).map(({ secret }) => secret)
  const held = known === undefined || (companionOf !== undefined && known.companion_of !== undefined) ? [] : [known.secret]
  const candidates = companionOf === undefined ? [...held, ...pending] : held
  let refusal = wrongCode
  for (const candidate of candidates) {
    const bound = fromBase64url(candidate)!
    const secret = companionOf === undefined ? bound : companionKey(bound, backendId)
    const verified = verifySessionToken(token, { key: secret, now, localBackendId: token.local_backend_id, hostedBackendId: context.identity.identity.backend_id })
    if (Result.isSuccess(verified)) return Result.succeed({ record, token, secret, companionOf })
    if (verified.failure.reason !== "wrong-mac") refusal = refuse(401, "token-refused", verified.failure.hint)
  }
  return Result.fail(erasedRefusal(context, backendId) ?? refusal)
}

const wrongCode = refuse(401, "wrong-code", "The pairing code is wrong, was used by another device, or is older than ten minutes. Make a new one with `maestra hosted enroll USER`.")

/** A device whose tenant was erased, and which no living tenant of its user knows: it is told, with what proves it. */
const erasedRefusal = ({ identity, tenants }: { readonly tenants: Pick<Tenants, "all">; readonly identity: Pick<Signer, "identity"> }, backendId: string): RegistrationRefused | undefined => {
  const record = [...tenants.all()].findLast(({ erased, gone }) => erased !== undefined && gone.some(({ backend_id }) => backend_id === backendId))
  if (record === undefined) return undefined
  const receipt = record.erased?.receipt
  // between two steps of an erasure it is not signed yet
  return receipt === undefined ? refuse(503, "try-again", "This user's data is being erased.") : goneRefusal("erased", { ...receipt, hosted: identity.identity })
}

const goneRefusal = (what: "revoked" | "erased", receipt?: ErasureReceipt) =>
  what === "revoked"
    ? refuse(403, "revoked", "This machine was revoked. What it holds stays on it; a new data directory and a new pairing code start afresh.")
    : new RegistrationRefused({ status: 410, type: "erased", hint: "This user's data was erased. What this machine holds of it goes too.", ...(receipt === undefined ? {} : { receipt }) })

/** Put the device in place of what was known of it, and spend the pending secret it came with. */
const bind = (record: TenantRecord, device: Device, now: string): Result.Result<TenantRecord, RegistrationRefused> => {
  if (record.gone.some(({ backend_id }) => backend_id === device.backend_id)) return Result.fail(goneRefusal("revoked"))
  const known = record.devices.some(({ backend_id, secret }) =>
    device.companion_of === undefined
      ? backend_id === device.backend_id && secret === device.secret
      : backend_id === device.companion_of && toBase64url(companionKey(fromBase64url(secret)!, device.backend_id)) === device.secret)
  const spent = record.pending.some(({ secret }) => secret === device.secret)
  // its own secret as it is now, or one nobody else was faster to use
  if (!known && !spent) return Result.fail(wrongCode)
  return Result.succeed({
    ...record,
    devices: [...record.devices.filter(({ backend_id }) => backend_id !== device.backend_id), device],
    pending: record.pending.filter(({ expires_at, secret }) => secret !== device.secret && now < expires_at)
  })
}

/** The tenant a bearer speaks for. Only registered devices have a voice. */
export const authenticateOnHosted = (context: Pick<RegistrarContext, "tenants" | "identity">, bearer: string, now: number) => {
  const decoded = decodeBearer(bearer)
  if (Result.isFailure(decoded)) return Result.fail(refuse(401, "token-refused", decoded.failure.hint))
  const token = decoded.success
  const record = context.tenants.ofUser(token.user_id)
  // a companion's session names the companion: that one's K was kept when it registered
  const companion = companionOfSession(token.session_id)
  const device = record?.devices.find((device) => companion === undefined ? device.backend_id === token.local_backend_id : device.peer_id === companion && device.companion_of === token.local_backend_id)
  const gone = record?.gone.find(({ backend_id, peer_id }) => backend_id === token.local_backend_id || peer_id === companion)
  if (gone !== undefined) return Result.fail(goneRefusal(gone.what))
  if (record === undefined || device === undefined) return Result.fail(erasedRefusal(context, token.local_backend_id) ?? refuse(401, "token-refused", "This device is not registered here."))
  const verified = verifySessionToken(token, { key: fromBase64url(device.secret)!, now, localBackendId: token.local_backend_id, hostedBackendId: context.identity.identity.backend_id })
  return Result.isFailure(verified)
    ? Result.fail(refuse(401, "token-refused", verified.failure.hint))
    : Result.succeed({ tenant: record.tenant, backendId: device.backend_id, userId: token.user_id })
}

/** Whom a bearer names, where they are known here; whether it is theirs is another question. */
export const claimedOnHosted = ({ tenants }: Pick<RegistrarContext, "tenants">, bearer: string): Claimed => {
  const token = decodeBearer(bearer)
  const record = Result.isSuccess(token) ? tenants.ofUser(token.success.user_id) : undefined
  if (Result.isFailure(token) || record === undefined) return {}
  const companion = companionOfSession(token.success.session_id)
  const peer = [...record.devices, ...record.gone].find(({ backend_id, peer_id }) => companion === undefined ? backend_id === token.success.local_backend_id : peer_id === companion)
  return { tenant: record.tenant, ...(peer === undefined ? {} : { peer_id: peer.peer_id }) }
}

const unique = (values: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(values)]

/** A secret for one more device, good once and for ten minutes at most. */
export const pairingLifeMax = Duration.minutes(10)
