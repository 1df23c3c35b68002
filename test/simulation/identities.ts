import { Duration, Effect, Result } from "effect"
import type { Identity } from "../../streams/events/peer.ts"
import { isoTime } from "../../streams/time.ts"
import type { Signer } from "../../src/security/BackendIdentity.ts"
import { canonicalJson } from "../../src/security/canonical.ts"
import { toBase64url } from "../../src/security/digest.ts"
import { keyGrace } from "../../src/security/handovers.ts"
import { generateKeys, keyId, type KeyPair } from "../../src/security/keys.ts"
import { companionBackendId, hostedBackendId, localBackendId, peerIdOf } from "../../src/security/peerId.ts"
import type { Rotation } from "../../src/security/proofs.ts"
import { dataKey, type DataKey, kidOf } from "../../src/security/sealing.ts"
import { secretKey } from "../../src/security/secretKey.ts"
import { sign, signObject } from "../../src/security/signing.ts"
import type { Device, TenantRecord } from "../../src/hosted/TenantRecord.ts"

/** Locals there can be at once, over all tenants: those a schedule begins with, and one that joins. */
export const localsMax = 6
export const newcomer = localsMax - 1
export const companionsMax = 2
const long = "2031-01-01T00:00:00.000Z"
const short = "2026-11-22T09:00:00.000Z"

export interface Who {
  readonly pair: KeyPair
  readonly self: Signer
  readonly challenge: string
  readonly proof: string
}

/** Real keys, made once for all schedules; signatures are made on this thread, so that none takes real time. */
const makeWho = (pair: KeyPair, backendId: string, type: Identity["backend_type"], more: Pick<Identity, "previous_keys"> = {}): Who => {
  const identity: Identity = { backend_id: backendId, backend_type: type, public_key: pair.publicPem, wrap_key: pair.publicPem, capabilities: [], version: "1.0", created_at: short, ...more }
  const id = keyId(pair.publicPem)
  const challenge = "a challenge"
  const proof = sign(pair.privateKey, "identity", canonicalJson({ identity, challenge }))
  const notHere = Effect.die(new Error("not part of the simulation"))
  return {
    pair,
    challenge,
    proof,
    self: {
      identity,
      keyId: id,
      signCommit: (fields) => Effect.sync(() => Buffer.from(canonicalJson(signObject(pair.privateKey, "commit", { ...fields, key_id: id })))),
      sign: (context, text) => Effect.sync(() => sign(pair.privateKey, context, text)),
      signObject: (context, object) => Effect.sync(() => signObject(pair.privateKey, context, object)),
      prove: () => notHere,
      freshProof: () => notHere,
      unwrap: () => notHere
    }
  }
}

const others = companionsMax + 1
/** The locals' first, the companions', hosted's, then the locals' next. */
const pairs = await Effect.runPromise(Effect.forEach(Array.from({ length: localsMax + others + localsMax }, () => 0), () => generateKeys, { concurrency: 2 }))

export const hosted = makeWho(pairs[localsMax + companionsMax]!, hostedBackendId("simulation"), "hosted")
const locals = pairs.slice(0, localsMax).map((pair, i) => makeWho(pair, localBackendId("machine", `${i}`), "local"))
export const whoIs = (local: number): Who => locals[local]!
const companions = pairs.slice(localsMax, localsMax + companionsMax).map((pair) => makeWho(pair, Result.getOrThrow(companionBackendId("ios", pair.publicPem)), "companion"))
/** The same machine with its next keys, which its present ones sign for: what `BackendIdentity.handOver` makes, whose keys take real time. */
export const handedOver = (local: number, peer_id: string, now: number): Who => {
  const { pair, self } = whoIs(local)
  const next = pairs[localsMax + others + local]!
  const grace_ends_at = isoTime(now + Duration.toMillis(keyGrace))
  const signature = sign(pair.privateKey, "rotation", canonicalJson({ peer_id, public_key: next.publicPem, old_key_id: self.keyId, grace_ends_at } satisfies Rotation))
  return makeWho(next, self.identity.backend_id, "local", { previous_keys: [{ public_key: pair.publicPem, replaced_at: isoTime(now), grace_ends_at, signature }] })
}
export const whoIsCompanion = (number: number): Who => companions[number]!
export const whoHas = (backendId: string): Who => [...locals, ...companions].find(({ self }) => self.identity.backend_id === backendId)!

export const storeKey = secretKey(new Uint8Array(32).fill(7))

/** A tenant that every schedule knows from its beginning, with so many devices registered. */
export interface Tenant {
  readonly id: string
  readonly key: DataKey
  readonly record: TenantRecord
  /** Numbers of its locals. */
  readonly locals: ReadonlyArray<number>
}

/** A companion's number, and the local whose it is, if it is one's. */
export interface Surface {
  readonly number: number
  readonly of: number | undefined
}

export const makeTenant = (letter: string, members: ReadonlyArray<number>, surfaces: ReadonlyArray<Surface>, ends: (local: number) => string): Tenant => {
  const id = `t_${letter.repeat(16)}`
  const bytes = new Uint8Array(32).fill(letter.charCodeAt(0))
  const device = ({ self }: Who, expires_at: string, more: Pick<Device, "companion_of"> = {}): Device => ({
    backend_id: self.identity.backend_id,
    peer_id: peerIdOf(id, self.identity.backend_id),
    secret: toBase64url(bytes),
    identity: self.identity,
    keys: [{ keyId: self.keyId, publicKey: self.identity.public_key }],
    transport_keys: [],
    registered_at: short,
    expires_at,
    ...more
  })
  const devices = [
    ...members.map((local) => device(whoIs(local), ends(local))),
    ...surfaces.map(({ number, of }) => device(whoIsCompanion(number), long, of === undefined ? {} : { companion_of: whoIs(of).self.identity.backend_id }))
  ]
  return {
    id,
    key: dataKey(kidOf(id, 1), bytes),
    locals: members,
    record: { tenant: id, user_id: `user ${letter}`, partition: 0, data_keys: [{ kid: kidOf(id, 1), key: toBase64url(bytes) }], pending: [], devices, gone: [], created_at: short }
  }
}

export const registrationEnds = long
export const registeredAt = short
