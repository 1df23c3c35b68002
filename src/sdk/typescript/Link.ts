import { decodePairingCode } from "../../security/portable/pairingCode.ts"
import { keyIdOf } from "../../security/portable/keys.ts"
import { peerIdOf } from "../../security/portable/digest.ts"
import { randomBytes, fromBase64url, toBase64url } from "../../security/portable/bytes.ts"
import { type Identity, proveIdentity, verifyIdentityProof } from "../../security/portable/proofs.ts"
import { type DataKey } from "../../security/portable/sealing.ts"
import { companionSessionId, createSessionToken, encodeBearer, newSessionId, tokenLifeMaxMillis } from "../../security/portable/sessionToken.ts"
import { unwrapDataKey } from "../../security/portable/wrapping.ts"
import { isoTime } from "../../../streams/time.ts"
import type { SideName } from "./api.ts"
import type { Platform } from "./platform.ts"
import { erasedIn, erasedKey, isGone } from "./erased.ts"
import { call } from "./http.ts"
import { MaestraError } from "./problems.ts"
import type { Storage } from "./storage.ts"
import type { OwnIdentity, Vault } from "./vault.ts"

/** Where this surface belongs. No secrets; those are in the vault. */
export interface LinkState {
  readonly mode: "hosted-only" | "hybrid"
  readonly userId: string
  /** `fingerprint`: `key_id` of the hosted signing key as it was when this surface joined. */
  readonly hosted: { readonly url: string; readonly backendId: string; readonly fingerprint: string }
  readonly local?: { readonly url: string; readonly backendId: string }
  readonly tenant: string
  readonly peerId: string
  /** Compact JWEs for this surface's wrap key, oldest first. */
  readonly dataKeys: ReadonlyArray<string>
  /** Until when each side's registration holds. */
  readonly expires: { readonly local?: string; readonly hosted?: string }
}

const key = "link"
/** Register again this long before a registration ends, milliseconds. */
const renewBeforeMillis = 15 * 60 * 1000

/** How this surface joins backends, registers with them, and proves who it is. */
export class Link {
  readonly #storage: Storage
  readonly #vault: Vault
  readonly #platform: Platform
  readonly own: OwnIdentity

  constructor(storage: Storage, vault: Vault, platform: Platform, own: OwnIdentity) {
    this.#storage = storage
    this.#vault = vault
    this.#platform = platform
    this.own = own
  }

  async state(): Promise<LinkState> {
    const held = await this.#storage.read(key) as LinkState | undefined
    if (held !== undefined) return held
    const erased = await erasedIn(this.#storage)
    if (erased !== undefined) throw isGone(erased)
    throw new MaestraError("not-joined", "this surface belongs to no backend yet", { hint: "Join one with a pairing code, or open it from a local backend." })
  }

  /** Join a hosted backend as a device of its own, with a code of `maestra hosted enroll USER`. */
  async joinHosted(code: string): Promise<LinkState> {
    const { fingerprint, secret, url, userId } = await decodePairingCode(code)
    const hosted = await this.#identify(url, (identity) => keyIdOf(identity.public_key).then((id) => id === fingerprint && identity.backend_type === "hosted"))
    await this.#vault.keepSessionKey(secret)
    return this.#enter({ mode: "hosted-only", userId, hosted: { url, backendId: hosted.backend_id, fingerprint }, tenant: "", peerId: "", dataKeys: [], expires: {} }, "hosted")
  }

  /** Become a companion of a local backend, with a code of `maestra local open`. Its hosted backend is joined when it can be reached. */
  async joinLocal(url: string, code: string): Promise<LinkState> {
    const answer = await call(this.#platform.fetch, `${url}/companion-keys`, { method: "POST", body: JSON.stringify({ code, backend_id: this.own.identity.backend_id }) }) as Readonly<Record<string, string>>
    const given = (field: string): string => {
      const value = answer[field]
      if (typeof value !== "string") throw new MaestraError("refused", "the local backend's answer cannot be read", { hint: "Update this surface, or the local backend." })
      return value
    }
    const backendId = given("local_backend_id")
    await this.#identify(url, async (identity) => identity.backend_id === backendId)
    await this.#vault.keepSessionKey(fromBase64url(given("key")) ?? new Uint8Array())
    return this.#enter({
      mode: "hybrid", userId: given("user_id"), hosted: { url: given("hosted_url"), backendId: given("hosted_backend_id"), fingerprint: given("hosted_fingerprint") }, local: { url, backendId },
      tenant: given("tenant"), peerId: given("peer_id"), dataKeys: [], expires: {}
    }, "local")
  }

  /** Whoever answers at a URL, proved by a signature over a challenge of ours. */
  async #identify(url: string, expected: (identity: Identity) => Promise<boolean>): Promise<Identity> {
    const challenge = toBase64url(randomBytes(32))
    const { identity, proof } = await call(this.#platform.fetch, `${url}/identity?challenge=${challenge}`, { method: "GET" }) as { readonly identity: Identity; readonly proof: string }
    if (await expected(identity) && await verifyIdentityProof(identity, challenge, proof)) return identity
    throw new MaestraError("refused", `${url} is not the backend this code was made by`, { hint: "Somebody may be in between. Make a new code and try again." })
  }

  async #enter(link: LinkState, side: SideName): Promise<LinkState> {
    const held = await this.#storage.read(key) as LinkState | undefined
    if (held !== undefined && held.hosted.backendId !== link.hosted.backendId) {
      throw new MaestraError("refused", "this surface belongs to another hosted backend", { hint: "Use a storage of its own for each." })
    }
    return this.#register(link, side)
  }

  /** `POST /register-peer`: join, or renew. */
  async register(side: SideName): Promise<LinkState> {
    return this.#register(await this.state(), side)
  }

  /** Whether a side's registration is missing or about to end. */
  async isDue(side: SideName): Promise<boolean> {
    const until = (await this.state()).expires[side]
    return until === undefined || until <= isoTime(this.#platform.now() + renewBeforeMillis)
  }

  async #register(link: LinkState, side: SideName): Promise<LinkState> {
    const { identity, pairs } = this.own
    const token = await this.#token(link)
    const body = JSON.stringify({ backend_identity: identity, sbt: encodeBearer(token), proof: await proveIdentity(pairs.signing.privateKey, identity, token.signature) })
    const answer = await call(this.#platform.fetch, `${urlOf(link, side)}/register-peer`, { method: "POST", body }) as {
      readonly peer_id: string
      readonly expires_at: string
      readonly sealing: { readonly tenant: string; readonly data_keys: ReadonlyArray<string> }
    }
    return this.#storage.alone(key, async () => {
      // another tab may have registered at the other side meanwhile
      const held = await this.#storage.read(key) as LinkState | undefined ?? link
      const dataKeys = answer.sealing.data_keys.length >= held.dataKeys.length ? answer.sealing.data_keys : held.dataKeys
      const next: LinkState = { ...held, ...(held.tenant === "" ? link : {}), tenant: answer.sealing.tenant, peerId: answer.peer_id, dataKeys, expires: { ...held.expires, [side]: answer.expires_at } }
      await this.#storage.write([[key, next], [erasedKey, undefined]])
      return next
    })
  }

  /** A session binding token for both sides, ending with the working day. */
  async #token(link: LinkState) {
    const sessionKey = await this.#vault.sessionKey()
    if (sessionKey === undefined) throw new MaestraError("not-joined", "the key of this surface's sessions is gone", { hint: "Join again." })
    const companion = link.local === undefined ? undefined : await peerIdOf(link.tenant, this.own.identity.backend_id)
    const now = this.#platform.now()
    return createSessionToken({
      session_id: companion === undefined ? newSessionId() : companionSessionId(companion),
      local_backend_id: link.local?.backendId ?? this.own.identity.backend_id,
      hosted_backend_id: link.hosted.backendId,
      user_id: link.userId,
      created_at: isoTime(now),
      expires_at: isoTime(now + tokenLifeMaxMillis)
    }, sessionKey)
  }

  /** A fresh bearer for `Authorization`. */
  async bearer(): Promise<string> {
    return encodeBearer(await this.#token(await this.state()))
  }

  /** The tenant's data keys, oldest first. */
  async dataKeys(): Promise<ReadonlyArray<DataKey>> {
    const { dataKeys } = await this.state()
    const { pairs } = this.own
    const id = await keyIdOf(pairs.wrap.publicPem)
    return Promise.all(dataKeys.map((jwe) => unwrapDataKey(jwe, pairs.wrap.privateKey, id)))
  }
}

export const urlOf = (link: LinkState, side: SideName): string => {
  const at = link[side]
  if (at === undefined) throw new MaestraError("not-joined", "this surface has no local backend", { hint: "Open it from one with `maestra local open`." })
  return at.url
}

/** The sides a surface syncs with, the nearest first. */
export const sidesOf = (link: LinkState): ReadonlyArray<SideName> => link.local === undefined ? ["hosted"] : ["local", "hosted"]
