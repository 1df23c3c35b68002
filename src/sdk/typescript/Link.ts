import { decodePairingCode } from "../../security/portable/pairingCode.ts"
import { keyIdOf, type KeyPairs } from "../../security/portable/keys.ts"
import { peerIdOf } from "../../security/portable/digest.ts"
import { randomBytes, fromBase64url, toBase64url } from "../../security/portable/bytes.ts"
import { followsFrom, signRotation } from "../../security/portable/handovers.ts"
import { type Identity, proveIdentity, verifyIdentityProof } from "../../security/portable/proofs.ts"
import { type DataKey } from "../../security/portable/sealing.ts"
import { companionSessionId, createSessionToken, encodeBearer, newSessionId, tokenLifeMaxMillis } from "../../security/portable/sessionToken.ts"
import { verifyObject } from "../../security/portable/signing.ts"
import { unwrapDataKey, wrapKeyOf } from "../../security/portable/wrapping.ts"
import { isoTime } from "../../../streams/time.ts"
import type { SideName } from "./api.ts"
import type { Platform } from "./platform.ts"
import { erasedIn, erasedKey, isGone } from "./erased.ts"
import { call } from "./http.ts"
import { MaestraError } from "./problems.ts"
import type { Storage } from "./storage.ts"
import type { OwnIdentity, Vault } from "./vault.ts"

/** A backend, and the `key_id` of a signing key that is known to be its own: the one hosted had when this surface joined, or the one local had last. */
interface Place {
  readonly url: string
  readonly backendId: string
  readonly fingerprint: string
}

/** Where this surface belongs. No secrets; those are in the vault. */
export interface LinkState {
  readonly mode: "hosted-only" | "hybrid"
  readonly userId: string
  readonly hosted: Place
  readonly local?: Place
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
/** How long what a replaced key signed still counts. */
const keyGraceMillis = 7 * 24 * 60 * 60 * 1000
/** Keys an identity may tell of. */
const previousKeysMax = 64

/** How this surface joins backends, registers with them, and proves who it is. */
export class Link {
  readonly #storage: Storage
  readonly #vault: Vault
  readonly #platform: Platform
  readonly #kind: string

  /** `kind`: what this companion is called in its id. */
  constructor(storage: Storage, vault: Vault, platform: Platform, kind: string) {
    this.#storage = storage
    this.#vault = vault
    this.#platform = platform
    this.#kind = kind
  }

  /** Who this surface is now: its keys may have been replaced, by another tab too. */
  own(): Promise<OwnIdentity> {
    return this.#vault.identity(this.#kind, isoTime(this.#platform.now()))
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
    const hosted = await this.#identify(url, (identity) => identity.backend_type === "hosted" ? followsFrom(fingerprint, "hosted", identity) : Promise.resolve(false))
    await this.#vault.keepSessionKey(secret)
    return this.#enter({ mode: "hosted-only", userId, hosted: { url, backendId: hosted.backend_id, fingerprint }, tenant: "", peerId: "", dataKeys: [], expires: {} }, "hosted")
  }

  /** Become a companion of a local backend, with a code of `maestra local open`. Its hosted backend is joined when it can be reached. */
  async joinLocal(url: string, code: string): Promise<LinkState> {
    const answer = await call(this.#platform.fetch, `${url}/companion-keys`, { method: "POST", body: JSON.stringify({ code, backend_id: (await this.own()).identity.backend_id }) }) as Readonly<Record<string, string>>
    const given = (field: string): string => {
      const value = answer[field]
      if (typeof value !== "string") throw new MaestraError("refused", "the local backend's answer cannot be read", { hint: "Update this surface, or the local backend." })
      return value
    }
    const backendId = given("local_backend_id")
    const local = await this.#identify(url, async (identity) => identity.backend_id === backendId)
    await this.#vault.keepSessionKey(fromBase64url(given("key")) ?? new Uint8Array())
    return this.#enter({
      mode: "hybrid", userId: given("user_id"),
      hosted: { url: given("hosted_url"), backendId: given("hosted_backend_id"), fingerprint: given("hosted_fingerprint") },
      local: { url, backendId, fingerprint: await keyIdOf(local.public_key) },
      tenant: given("tenant"), peerId: given("peer_id"), dataKeys: [], expires: {}
    }, "local")
  }

  /** Whoever answers at a URL, proved by a signature over a challenge of ours. */
  async #identify(url: string, expected: (identity: Identity) => Promise<boolean>): Promise<Identity> {
    const challenge = toBase64url(randomBytes(32))
    const { identity, proof } = await call(this.#platform.fetch, `${url}/identity?challenge=${challenge}`, { method: "GET" }) as { readonly identity: Identity; readonly proof: string }
    if (await expected(identity) && await verifyIdentityProof(identity, challenge, proof)) return identity
    throw new MaestraError("refused", `${url} is not the backend this surface knows, nor one whose keys that one handed over to`, { hint: "Somebody may be in between. Join again with a new code if the backend was set up anew." })
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
    const { dataKeys, expires } = await this.state()
    const until = expires[side]
    const wrapKey = await keyIdOf((await this.own()).pairs.wrap.publicPem)
    // stopped between taking new keys and keeping what was wrapped for them
    if (dataKeys.some((jwe) => wrapKeyOf(jwe) !== wrapKey)) return true
    return until === undefined || until <= isoTime(this.#platform.now() + renewBeforeMillis)
  }

  async #register(link: LinkState, side: SideName, own?: OwnIdentity): Promise<LinkState> {
    const { identity, pairs } = own ?? await this.own()
    const backend = await this.#recognise(link, side)
    const token = await this.#token(link)
    const body = JSON.stringify({ backend_identity: identity, sbt: encodeBearer(token), proof: await proveIdentity(pairs.signing.privateKey, identity, token.signature) })
    const answer = await call(this.#platform.fetch, `${urlOf(link, side)}/register-peer`, { method: "POST", body }) as {
      readonly peer_id: string
      readonly expires_at: string
      readonly sealing: { readonly tenant: string; readonly data_keys: ReadonlyArray<string> }
      readonly session_key?: { readonly key: string }
    }
    // keys are in it: they are taken from nobody in between
    if (!(await verifyObject(backend.public_key, "registration", { ...answer, challenge: token.signature }))) {
      throw new MaestraError("refused", `the answer of ${urlOf(link, side)} is not signed by the backend this surface belongs to`, { hint: "Somebody may be in between, or the backend is older than this surface." })
    }
    const place = side === "local" ? { local: { ...link.local!, fingerprint: await keyIdOf(backend.public_key) } } : {}
    if (answer.session_key !== undefined) await this.#vault.keepSessionKey((await unwrapDataKey(answer.session_key.key, pairs.wrap.privateKey, await keyIdOf(pairs.wrap.publicPem))).raw)
    if (own !== undefined) await this.#vault.adopt()
    return this.#storage.alone(key, async () => {
      // another tab may have registered at the other side meanwhile
      const held = await this.#storage.read(key) as LinkState | undefined ?? link
      const { data_keys } = answer.sealing
      const rewrapped = held.dataKeys.some((jwe) => wrapKeyOf(jwe) !== wrapKeyOf(data_keys[0] ?? ""))
      const dataKeys = data_keys.length >= held.dataKeys.length || rewrapped ? data_keys : held.dataKeys
      // the other side is still to hear of new keys
      const expires = own === undefined ? held.expires : {}
      const next: LinkState = { ...held, ...(held.tenant === "" ? link : {}), ...place, tenant: answer.sealing.tenant, peerId: answer.peer_id, dataKeys, expires: { ...expires, [side]: answer.expires_at } }
      await this.#storage.write([[key, next], [erasedKey, undefined]])
      return next
    })
  }

  /** Who answers where a side is: the backend as it was known, or as its keys lead to. */
  async #recognise(link: LinkState, side: SideName): Promise<Identity> {
    const { backendId, fingerprint } = link[side]!
    const author = side === "hosted" ? "hosted" : await peerIdOf(link.tenant, backendId)
    return this.#identify(urlOf(link, side), async (identity) => identity.backend_id === backendId && followsFrom(fingerprint, author, identity))
  }

  /**
   * New keys for this surface, in force as soon as one side has taken them with the old key's word for them; the others hear
   * of it with the next sync. What the old ones signed counts for seven days more. Where no side answers nothing is changed,
   * and the next call goes on with the same new keys.
   */
  async rotateKeys(): Promise<{ readonly keyId: string; readonly graceEndsAt: string }> {
    const link = await this.state()
    const next = await this.#vault.prepare(async (pairs) => this.#standFor(await this.own(), pairs, link.peerId))
    const failures: Array<unknown> = []
    for (const side of [...sidesOf(link)].toReversed()) {
      try {
        await this.#register(await this.state(), side, next)
        return { keyId: await keyIdOf(next.identity.public_key), graceEndsAt: next.identity.previous_keys?.at(-1)?.grace_ends_at ?? "" }
      } catch (cause) {
        failures.push(cause)
      }
    }
    throw failures[0]
  }

  /** The identity with new keys, for which the present one signs. */
  async #standFor({ identity, pairs }: OwnIdentity, next: KeyPairs, peerId: string): Promise<Identity> {
    const now = this.#platform.now()
    const grace_ends_at = isoTime(now + keyGraceMillis)
    const signature = await signRotation(pairs.signing.privateKey, { peer_id: peerId, public_key: next.signing.publicPem, old_key_id: await keyIdOf(identity.public_key), grace_ends_at })
    const previous_keys = [...identity.previous_keys ?? [], { public_key: identity.public_key, replaced_at: isoTime(now), grace_ends_at, signature }].slice(-previousKeysMax)
    return { ...identity, public_key: next.signing.publicPem, wrap_key: next.wrap.publicPem, previous_keys }
  }

  /** A session binding token for both sides, ending with the working day. */
  async #token(link: LinkState) {
    const sessionKey = await this.#vault.sessionKey()
    if (sessionKey === undefined) throw new MaestraError("not-joined", "the key of this surface's sessions is gone", { hint: "Join again." })
    const own = (await this.own()).identity.backend_id
    const companion = link.local === undefined ? undefined : await peerIdOf(link.tenant, own)
    const now = this.#platform.now()
    return createSessionToken({
      session_id: companion === undefined ? newSessionId() : companionSessionId(companion),
      local_backend_id: link.local?.backendId ?? own,
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
    const { pairs } = await this.own()
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
