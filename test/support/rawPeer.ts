import { readFileSync } from "node:fs"
import { Effect } from "effect"
import type { Identity } from "../../streams/events/peer.ts"
import { Replication } from "../../streams/Registration.ts"
import { makeTransportKey } from "../../src/nats/leafCredentials.ts"
import { canonicalJson } from "../../src/security/canonical.ts"
import { generateKeys, keyId, type KeyPair } from "../../src/security/keys.ts"
import { decodePairingCode } from "../../src/security/pairingCode.ts"
import { localBackendId } from "../../src/security/peerId.ts"
import { createSessionToken, encodeBearer, newSessionId, type SessionClaims, type SessionToken } from "../../src/security/sessionToken.ts"
import { sign } from "../../src/security/signing.ts"
import { unwrapDataKey } from "../../src/security/wrapping.ts"
import { type Author, LogHistory } from "./logHistory.ts"
import type { Backend } from "./world.ts"
import { Redacted, Result } from "effect"

export const hour = 3_600_000
const iso = (millis: number): string => new Date(millis).toISOString()

/** A machine without our program: keys, and whatever it chooses to send. */
export interface RawPeer {
  readonly backendId: string
  readonly pair: KeyPair
  readonly identity: Identity
  readonly transport: { readonly seed: string; readonly publicKey: string }
}

export const makeRawPeer = async (name: string): Promise<RawPeer> => {
  const pair = await Effect.runPromise(generateKeys)
  const backendId = localBackendId("raw", name)
  const identity: Identity = { backend_id: backendId, backend_type: "local", public_key: pair.publicPem, wrap_key: pair.publicPem, capabilities: [], version: "1.0", created_at: iso(Date.now()) }
  return { backendId, pair, identity, transport: await Effect.runPromise(makeTransportKey) }
}

export interface Code {
  readonly text: string
  readonly user: string
  readonly tenant: string
  readonly expiresAt: number
  readonly secret: Uint8Array
}

export const enrol = async (hosted: Backend, user: string): Promise<Code> => {
  const { json, status, text } = await hosted.http("POST", "/enroll", { user })
  if (status !== 200 && status !== 201) throw new Error(text)
  return { text: json.code, user, tenant: json.tenant, expiresAt: Date.parse(json.expires_at), secret: Redacted.value(Result.getOrThrow(decodePairingCode(json.code)).secret) }
}

export const hostedIdOf = async (hosted: Backend): Promise<string> => ((await (await fetch(`${hosted.url()}/health`)).json()) as { readonly backend_id: string }).backend_id

/** A token as an honest device makes it, but for what is changed: claims, or the key it is made with. */
export const tokenFor = async (hosted: Backend, peer: RawPeer, code: Pick<Code, "secret" | "user">, otherwise: Partial<SessionClaims> = {}): Promise<SessionToken> => {
  const now = Date.now()
  return createSessionToken({
    session_id: newSessionId(),
    local_backend_id: peer.backendId,
    hosted_backend_id: await hostedIdOf(hosted),
    user_id: code.user,
    created_at: iso(now),
    expires_at: iso(now + hour),
    ...otherwise
  }, code.secret)
}

export interface Registering {
  readonly identity?: unknown
  readonly bearer?: string
  readonly proof?: string
  readonly transportKey?: string
}

export const proofOf = (peer: Pick<RawPeer, "identity" | "pair">, challenge: string): string => sign(peer.pair.privateKey, "identity", canonicalJson({ identity: peer.identity, challenge }))

/** `POST /register-peer`, honest but for what is changed. */
export const registerRaw = async (hosted: Backend, peer: RawPeer, token: SessionToken, otherwise: Registering = {}) => {
  const response = await fetch(`${hosted.url()}/register-peer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      backend_identity: otherwise.identity ?? peer.identity,
      sbt: otherwise.bearer ?? encodeBearer(token),
      proof: otherwise.proof ?? proofOf(peer, token.signature),
      transport_key: otherwise.transportKey ?? peer.transport.publicKey
    })
  })
  const text = await response.text()
  return { status: response.status, text, json: JSON.parse(text) as { readonly type?: string; readonly status?: unknown; readonly peer_id?: string; readonly replication?: Replication } }
}

/** What a registered raw peer needs to write: its place in the log, and the tenant's key, opened. */
export const writerOf = async (peer: RawPeer, registered: Awaited<ReturnType<typeof registerRaw>>) => {
  const { peer_id, replication } = registered.json
  if (peer_id === undefined || replication === undefined) throw new Error(registered.text)
  const key = await Effect.runPromise(unwrapDataKey(replication.data_key, peer.pair.privateKey, keyId(peer.pair.publicPem)))
  const author: Author = { id: peer_id, backendId: peer.backendId, pair: peer.pair, journal: "j-raw", prev: "", to: 0 }
  return { log: new LogHistory(peer.pair, replication.tenant, key), author, jwt: replication.leaf_jwt, seed: peer.transport.seed }
}

/** The credentials a real local backend's leaf uses, as a thief of the file has them. */
export const stolenCreds = (local: Backend): { readonly jwt: string; readonly seed: string } => {
  const text = readFileSync(`${local.dir}/nats/leaf.creds`, "utf8")
  const between = (what: string) => new RegExp(`BEGIN ${what}-+\\s+(\\S+)\\s`).exec(text)?.[1] ?? ""
  return { jwt: between("NATS USER JWT"), seed: between("USER NKEY SEED") }
}
