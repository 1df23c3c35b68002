import { utf8 } from "../../src/security/portable/bytes.ts"
import { type Commit, type CommitFields, recordDigest, signCommit } from "../../src/security/portable/commit.ts"
import { digestOf, idsDigest, peerIdOf } from "../../src/security/portable/digest.ts"
import { companionBackendId, generateKeyPairs, keyIdOf, type KeyPairs } from "../../src/security/portable/keys.ts"
import { decodePairingCode } from "../../src/security/portable/pairingCode.ts"
import { type Identity, proveIdentity } from "../../src/security/portable/proofs.ts"
import { type DataKey, seal } from "../../src/security/portable/sealing.ts"
import { companionSessionId, createSessionToken, encodeBearer, newSessionId, type SessionClaims } from "../../src/security/portable/sessionToken.ts"
import { signObject } from "../../src/security/portable/signing.ts"
import { unwrapDataKey } from "../../src/security/portable/wrapping.ts"
import { fromBase64url } from "../../src/security/portable/bytes.ts"

export type Json = Readonly<Record<string, unknown>>
export interface Answer {
  readonly status: number
  readonly type: string
  /** `RateLimit`, where the backend limits. */
  readonly ratelimit: string | undefined
  readonly body: Json
}

/** A companion at the level of the wire: it sends exactly what a case tells it to, right or wrong. */
export class Client {
  readonly url: string
  readonly identity: Identity
  readonly pairs: KeyPairs
  readonly claims: Omit<SessionClaims, "session_id" | "created_at" | "expires_at">
  readonly #key: Uint8Array<ArrayBuffer>
  readonly #companionOf: string | undefined
  peer = ""
  tenant = ""
  keys: ReadonlyArray<DataKey> = []
  readonly journal = crypto.randomUUID()
  prev = ""
  to = 0
  lamport = 0

  constructor(url: string, identity: Identity, pairs: KeyPairs, claims: Client["claims"], key: Uint8Array<ArrayBuffer>, companionOf: string | undefined) {
    this.url = url
    this.identity = identity
    this.pairs = pairs
    this.claims = claims
    this.#key = key
    this.#companionOf = companionOf
  }

  /** `code`: a pairing code of a hosted backend, or a companion code of a local one. */
  static async make(url: string, code: string, platform: string): Promise<Client> {
    const pairs = await generateKeyPairs(false)
    const identity: Identity = {
      backend_id: await companionBackendId(platform, pairs.signing.publicPem), backend_type: "companion", public_key: pairs.signing.publicPem,
      wrap_key: pairs.wrap.publicPem, capabilities: ["commit.v1"], version: "1.0", created_at: new Date().toISOString()
    }
    if (code.startsWith("maestra-")) {
      const { secret, userId } = await decodePairingCode(code)
      const { identity: hosted } = await (await fetch(`${url}/identity`)).json() as { readonly identity: Identity }
      return new Client(url, identity, pairs, { local_backend_id: identity.backend_id, hosted_backend_id: hosted.backend_id, user_id: userId }, secret, undefined)
    }
    const answer = await fetch(`${url}/companion-keys`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code, backend_id: identity.backend_id }) })
    const given = await answer.json() as Record<"key" | "tenant" | "local_backend_id" | "hosted_backend_id" | "user_id", string>
    if (answer.status !== 200) throw new Error(`the code was not taken: ${JSON.stringify(given)}`)
    const { hosted_backend_id, local_backend_id, tenant, user_id } = given
    return new Client(url, identity, pairs, { local_backend_id, hosted_backend_id, user_id }, fromBase64url(given.key)!, await peerIdOf(tenant, identity.backend_id))
  }

  async token(change: Partial<SessionClaims> = {}) {
    const now = Date.now()
    return createSessionToken({
      session_id: this.#companionOf === undefined ? newSessionId() : companionSessionId(this.#companionOf),
      ...this.claims,
      created_at: new Date(now).toISOString(),
      expires_at: new Date(now + 3600_000).toISOString(),
      ...change
    }, this.#key)
  }

  async bearer(change: Partial<SessionClaims> = {}): Promise<string> {
    return encodeBearer(await this.token(change))
  }

  async ask(method: string, path: string, options: { readonly body?: unknown; readonly bearer?: string; readonly raw?: string } = {}): Promise<Answer> {
    const text = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${options.bearer ?? await this.bearer()}`, ...(text === undefined ? {} : { "content-type": "application/json" }) },
      ...(text === undefined ? {} : { body: text })
    })
    const said = await response.text()
    return { status: response.status, type: response.headers.get("content-type") ?? "", ratelimit: response.headers.get("ratelimit") ?? undefined, body: said === "" ? {} : JSON.parse(said) as Json }
  }

  async register(change: { readonly proof?: string; readonly identity?: Partial<Identity> } = {}): Promise<Answer> {
    const token = await this.token()
    const identity = { ...this.identity, ...change.identity }
    const answer = await this.ask("POST", "/register-peer", {
      body: { backend_identity: identity, sbt: encodeBearer(token), proof: change.proof ?? await proveIdentity(this.pairs.signing.privateKey, identity, token.signature) }
    })
    if (answer.status !== 200) return answer
    const { sealing } = answer.body as { readonly sealing: { readonly tenant: string; readonly data_keys: ReadonlyArray<string> } }
    this.peer = String(answer.body["peer_id"])
    this.tenant = sealing.tenant
    const wrapId = await keyIdOf(this.pairs.wrap.publicPem)
    this.keys = await Promise.all(sealing.data_keys.map((jwe) => unwrapDataKey(jwe, this.pairs.wrap.privateKey, wrapId)))
    return answer
  }

  /** `POST /sync/{peer}`, signed unless told otherwise. */
  async sync(payload: Json, change: { readonly signature?: string; readonly peer?: string } = {}): Promise<Answer> {
    const signed = await signObject(this.pairs.signing.privateKey, "sync", { sync_id: crypto.randomUUID(), timestamp: new Date().toISOString(), conversations: [], ...payload })
    return this.ask("POST", `/sync/${change.peer ?? this.peer}`, { body: { ...signed, ...(change.signature === undefined ? {} : { signature: change.signature }) } })
  }

  /** A sealed event as it goes into a commit. */
  async event(conversation: string, message: string, content: string, change: Json = {}): Promise<{ readonly id: string; readonly text: string }> {
    const id = crypto.randomUUID()
    const time = new Date().toISOString()
    const data = await seal(this.keys.at(-1)!, JSON.stringify({ message_id: message, role: "user", content, timestamp: time }))
    const text = JSON.stringify({
      specversion: "1.0", id, type: "message.appended", dataschema: "maestra:message.appended:1", source: this.identity.backend_id, time, subject: conversation,
      lamport: ++this.lamport, surface: this.identity.backend_id.split("_sha256_")[0], datacontenttype: "application/jose", data, ...change
    })
    return { id, text }
  }

  /** The next commit of this companion's chain. `keep`: later ones follow it. */
  async commit(events: ReadonlyArray<{ readonly id: string; readonly text: string }>, change: Partial<CommitFields> = {}, keep = true): Promise<Commit> {
    const to = this.to + Math.max(1, events.length)
    const record = await signCommit({
      author: this.peer, key_id: await keyIdOf(this.pairs.signing.publicPem), sync_id: crypto.randomUUID(), journal: this.journal, from: this.to + 1, to,
      ids: await idsDigest(events.map(({ id }) => id)), hashes: await Promise.all(events.map(({ text }) => digestOf(utf8(text)))), prev: this.prev,
      seen: { log_seq: 0, head: "" }, time: new Date().toISOString(), ...change
    }, this.pairs.signing.privateKey)
    if (keep) {
      this.to = to
      this.prev = await recordDigest(record)
    }
    return { record, events: events.map(({ text }) => text) }
  }
}

