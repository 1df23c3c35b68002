import { Result } from "effect"
import { RegistrationRefused } from "../../streams/Backend.ts"
import type { ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import { millisOf } from "../../streams/time.ts"
import type { Claimed } from "../security/auditedRegistrar.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { fromBase64url } from "../security/digest.ts"
import { peerIdOf } from "../security/peerId.ts"
import { companionOfSession, decodeBearer, type SessionToken, verifyWithAny } from "../security/sessionToken.ts"
import { sessionKeysOf } from "./deviceSecrets.ts"
import type { TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

export interface SessionsContext {
  readonly tenants: Pick<Tenants, "all" | "ofUser">
  readonly identity: Signer
}

export const refuse = (status: RegistrationRefused["status"], type: string, hint: string) => new RegistrationRefused({ status, type, hint })

/** Who a bearer that registers speaks as. */
export interface Found {
  readonly record: TenantRecord
  readonly token: SessionToken
  /** S of the device, or K of its companion. */
  readonly secret: Uint8Array
  /** The local backend whose companion registers. */
  readonly companionOf: string | undefined
}

/** The secret that made this token: the device's own, or one handed out and not yet bound. */
export const findSecret = (context: SessionsContext, bearer: string, backendId: string, now: number): Result.Result<Found, RegistrationRefused> => {
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
  const pending = record.pending.filter(({ expires_at }) => now < millisOf(expires_at)).map(({ secret }) => fromBase64url(secret)!)
  const held = companionOf !== undefined && known?.companion_of !== undefined ? [] : sessionKeysOf(record, companionOf === undefined ? { backend_id: token.local_backend_id } : { backend_id: backendId, companion_of: companionOf }, now)
  const verified = verifyWithAny(token, {
    keys: companionOf === undefined ? [...held, ...pending] : held, now,
    localBackendId: token.local_backend_id, hostedBackendId: context.identity.identity.backend_id
  })
  if (Result.isSuccess(verified)) return Result.succeed({ record, token, secret: verified.success, companionOf })
  const refusal = verified.failure.reason === "wrong-mac" ? wrongCode : refuse(401, "token-refused", verified.failure.hint)
  return Result.fail(erasedRefusal(context, backendId) ?? refusal)
}

export const wrongCode = refuse(401, "wrong-code", "The pairing code is wrong, was used by another device, or is older than ten minutes. Make a new one with `maestra hosted enroll USER`.")

/** A device whose tenant was erased, and which no living tenant of its user knows: it is told, with what proves it. */
const erasedRefusal = ({ identity, tenants }: { readonly tenants: Pick<Tenants, "all">; readonly identity: Pick<Signer, "identity"> }, backendId: string): RegistrationRefused | undefined => {
  const record = [...tenants.all()].findLast(({ erased, gone }) => erased !== undefined && gone.some(({ backend_id }) => backend_id === backendId))
  if (record === undefined) return undefined
  const receipt = record.erased?.receipt
  // between two steps of an erasure it is not signed yet
  return receipt === undefined ? refuse(503, "try-again", "This user's data is being erased.") : goneRefusal("erased", { ...receipt, hosted: identity.identity })
}

export const goneRefusal = (what: "revoked" | "erased", receipt?: ErasureReceipt) =>
  what === "revoked"
    ? refuse(403, "revoked", "This machine was revoked. What it holds stays on it; a new data directory and a new pairing code start afresh.")
    : new RegistrationRefused({ status: 410, type: "erased", hint: "This user's data was erased. What this machine holds of it goes too.", ...(receipt === undefined ? {} : { receipt }) })

/** The tenant a bearer speaks for. Only registered devices have a voice. */
export const authenticateOnHosted = (context: SessionsContext, bearer: string, now: number) => {
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
  const verified = verifyWithAny(token, { keys: sessionKeysOf(record, device, now), now, localBackendId: token.local_backend_id, hostedBackendId: context.identity.identity.backend_id })
  return Result.isFailure(verified)
    ? Result.fail(refuse(401, "token-refused", verified.failure.hint))
    : Result.succeed({ tenant: record.tenant, backendId: device.backend_id, userId: token.user_id })
}

/** Whom a bearer names, where they are known here; whether it is theirs is another question. */
export const claimedOnHosted = ({ tenants }: Pick<SessionsContext, "tenants">, bearer: string): Claimed => {
  const token = decodeBearer(bearer)
  const record = Result.isSuccess(token) ? tenants.ofUser(token.success.user_id) : undefined
  if (Result.isFailure(token) || record === undefined) return {}
  const companion = companionOfSession(token.success.session_id)
  const peer = [...record.devices, ...record.gone].find(({ backend_id, peer_id }) => companion === undefined ? backend_id === token.success.local_backend_id : peer_id === companion)
  return { tenant: record.tenant, ...(peer === undefined ? {} : { peer_id: peer.peer_id }) }
}

