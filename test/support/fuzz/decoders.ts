import { generateKeyPairSync, randomUUID } from "node:crypto"
import { Effect, Redacted, Result, Schema } from "effect"
import { auditTypes } from "../../../streams/Audit.ts"
import { RegisterPeer } from "../../../streams/Registration.ts"
import { definitions, type Fact, isEventType } from "../../../streams/catalog.ts"
import { decode, encode, interpret, plain } from "../../../streams/Envelope.ts"
import { Identity } from "../../../streams/events/peer.ts"
import { decodeTelemetry, telemetryEnvelope } from "../../../streams/telemetry.ts"
import { HeadAnswer, HeadRequest, Verdict } from "../../../streams/Verdict.ts"
import { readImport } from "../../../src/gateway/import/lines.ts"
import { readPayload } from "../../../src/gateway/sync/payload.ts"
import { readFrame } from "../../../src/gateway/websocket/telemetryFrames.ts"
import { ClusterLayout } from "../../../src/hosted/cluster/layout.ts"
import { TenantRecordJson } from "../../../src/hosted/TenantRecord.ts"
import { AuditCheck, linked, parseAudit } from "../../../src/security/auditChain.ts"
import { canonicalJson } from "../../../src/security/canonical.ts"
import { frame, parseCommit, unframe, verifyCommit } from "../../../src/security/commit.ts"
import { digestOf, sha256, toBase64url } from "../../../src/security/digest.ts"
import { openEnvelope, sealEnvelope } from "../../../src/security/envelopes.ts"
import { unframeItems } from "../../../src/security/framing.ts"
import { publicKey } from "../../../src/security/keys.ts"
import { decodePairingCode } from "../../../src/security/pairingCode.ts"
import { claimedPeer, verifyIdentityProof } from "../../../src/security/proofs.ts"
import { kidOf, newDataKey, open, seal } from "../../../src/security/sealing.ts"
import { createSessionToken, decodeBearer, verifySessionToken } from "../../../src/security/sessionToken.ts"
import { bent, type Dice, noise, spoiled } from "./inputs.ts"

/** What takes bytes of strangers. `take` answers whether it accepted them; whatever it throws is a bug. */
export interface Decoder {
  readonly name: string
  readonly good: ReadonlyArray<unknown>
  /** A value as this decoder is given it: what is wrapped around it is right. */
  readonly wrap: (value: unknown) => Uint8Array
  readonly take: (bytes: Uint8Array) => boolean
}

const time = "2026-11-22T10:00:00.000Z"
const ofJson = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value) ?? "")
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8")
const bearerOf = (value: unknown): Uint8Array => Buffer.from(toBase64url(Buffer.from(safely(value))))
/** Canonical where it has such a form. */
const safely = (value: unknown): string => {
  try {
    return canonicalJson(value)
  } catch {
    return JSON.stringify(value) ?? ""
  }
}
const json = <S extends Schema.ConstraintDecoder<unknown>>(name: string, schema: S, good: ReadonlyArray<unknown>): Decoder => {
  const read = Schema.decodeUnknownResult(Schema.fromJsonString(schema))
  return { name, good, wrap: ofJson, take: (bytes) => Result.isSuccess(read(textOf(bytes))) }
}

const source = `local_sha256_${"a".repeat(64)}`
const hosted = `hosted_sha256_${"b".repeat(64)}`
const tenant = "t_abcdefghijklmnop"
const peer = `peer_${"1".repeat(16)}`
const digest = digestOf("x")
const key = newDataKey(kidOf(tenant, 1))
const keys = (kid: string) => kid === key.kid ? key : undefined
const pair = generateKeyPairSync("rsa", { modulusLength: 2048 })
const pem = pair.publicKey.export({ type: "spki", format: "pem" }).toString()
const secret = new Uint8Array(32).fill(7)
const identity = { backend_id: source, backend_type: "local", public_key: pem, wrap_key: pem, capabilities: ["leaf"], version: "1.0", created_at: time }

const facts: ReadonlyArray<Fact> = [
  { type: "message.appended", data: { message_id: "m", role: "user", content: "hello 😀", timestamp: time } },
  { type: "message.edited", data: { message_id: "m", role: "user", content: "hello", timestamp: time, base: { lamport: 1, time, source } } },
  { type: "conversation.renamed", data: { title: "t" } },
  { type: "settings.changed", data: { redact_pii: false, allowed_surfaces: ["web"] } },
  { type: "key.rotated", data: { peer_id: peer, public_key: pem, old_key_id: digest, grace_ends_at: time, signature: "s" } }
]
const envelopes = facts.map((fact) => plain(fact, { id: randomUUID(), source, time, subject: "groceries", lamport: 3, surface: "cli" }))
const record = { author: peer, key_id: digest, sync_id: "s", journal: "j", from: 1, to: 2, ids: digest, hashes: [digest], prev: "", seen: { log_seq: 0, head: "" }, time, signature: "c2ln" }
const token = createSessionToken({ session_id: "sess_1", local_backend_id: source, hosted_backend_id: hosted, user_id: "ada", created_at: time, expires_at: "2026-11-22T18:00:00.000Z" }, secret)
const telemetry = { event_id: randomUUID(), event_type: "capture", session_id: "s", timestamp: time, source_backend: "local", metadata: { a: [1, { b: null }] }, latency_ms: 3 }
const syncPayload = { sync_id: "s", timestamp: time, cursor: "c", signature: "x", conversations: [{ conversation_id: "c", version: 1, title: "t", messages: [{ id: "m", role: "user", content: "x", version: 2, timestamp: time }] }], commits: [{ record: "r", events: ["e"] }] }

const Typed = Schema.fromJsonString(Schema.Struct({ type: Schema.String, data: Schema.Unknown }))

export const decoders: ReadonlyArray<Decoder> = [
  { name: "event", good: envelopes, wrap: ofJson, take: (bytes) => {
    const read = decode(bytes)
    return Result.isSuccess(read) && Result.isSuccess(interpret(read.success, read.success.data))
  } },
  { name: "event of every type", good: facts.flatMap(({ data }) => Object.keys(definitions).filter(isEventType).map((type) => ({ type, data }))), wrap: ofJson, take: (bytes) => {
    const given = Schema.decodeUnknownResult(Typed)(textOf(bytes))
    if (Result.isFailure(given)) return false
    const { data, type } = given.success
    return isEventType(type) && Result.isSuccess(definitions[type].decode(definitions[type].version, data))
  } },
  { name: "sealed event", good: envelopes.map(({ data }) => data), wrap: (data) => sealEnvelope({ ...envelopes[0]!, data }, key), take: (bytes) => {
    const read = decode(bytes)
    return Result.isSuccess(read) && Result.isSuccess(openEnvelope(read.success, keys))
  } },
  { name: "seal", good: ["x"], wrap: (value) => Buffer.from(seal(key, safely(value))), take: (bytes) => Result.isSuccess(open(key, textOf(bytes))) },
  { name: "commit record", good: [record], wrap: (value) => Buffer.from(safely(value)), take: (bytes) => {
    const read = parseCommit(bytes)
    return Result.isSuccess(read) && verifyCommit(read.success, pem)
  } },
  { name: "frame of a commit", good: [record], wrap: (value) => frame(ofJson(value), envelopes.map(encode)), take: (bytes) => {
    const read = unframe(bytes)
    return Result.isSuccess(read) && Result.isSuccess(parseCommit(read.success.record))
  } },
  { name: "frame of telemetry", good: [telemetryEnvelope(telemetry, { source, time })], wrap: (value) => frame(ofJson(value), [ofJson(telemetryEnvelope(telemetry, { source, time }))]), take: (bytes) => {
    const read = unframeItems(bytes)
    return Result.isSuccess(read) && read.success.every((item) => Result.isSuccess(decodeTelemetry(item)))
  } },
  { name: "telemetry frame", good: [telemetry], wrap: ofJson, take: (bytes) => Result.isSuccess(readFrame(textOf(bytes))) },
  { name: "session token", good: [token], wrap: bearerOf, take: (bytes) => {
    const read = decodeBearer(textOf(bytes))
    return Result.isSuccess(read) && Result.isSuccess(verifySessionToken(read.success, { key: secret, now: Date.parse(time), localBackendId: source, hostedBackendId: hosted }))
  } },
  { name: "fresh proof", good: [{ peer_id: peer, method: "GET", path: "/x", body_sha256: digest, nonce: "n".repeat(22), time, signature: "s" }], wrap: bearerOf, take: (bytes) => Result.isSuccess(claimedPeer(textOf(bytes))) },
  { name: "registration", good: [{ backend_identity: identity, sbt: "x", proof: "y", transport_key: "U" }], wrap: ofJson, take: (bytes) => {
    const body = Result.getOrElse(Schema.decodeUnknownResult(Schema.fromJsonString(RegisterPeer))(textOf(bytes)), () => undefined)
    const read = Schema.decodeUnknownResult(Identity)(body?.backend_identity)
    return body !== undefined && Result.isSuccess(read) && Result.isSuccess(publicKey(read.success.public_key)) && verifyIdentityProof(read.success, "challenge", body.proof)
  } },
  { name: "pairing code", good: [{ v: 1, url: "http://127.0.0.1:8826", fingerprint: digest, user_id: "ada", secret: toBase64url(secret) }], wrap: (value) => {
    const content = Buffer.from(safely(value))
    return Buffer.from(`maestra-${toBase64url(Buffer.concat([content, sha256(content).subarray(0, 4)]))}`)
  }, take: (bytes) => Result.isSuccess(Result.map(decodePairingCode(textOf(bytes)), (code) => Redacted.value(code.secret))) },
  { name: "sync payload", good: [syncPayload], wrap: ofJson, take: (bytes) => {
    // the gateway lets nothing but objects through to it
    const body = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))(textOf(bytes))
    return Result.isSuccess(body) && Result.isSuccess(Effect.runSync(Effect.result(readPayload(body.success))))
  } },
  { name: "import", good: [{ conversation_id: "c", title: "t", messages: [{ id: "m", role: "user", content: "x", timestamp: time }] }], wrap: ofJson, take: (bytes) => readImport(bytes, time).invalid.length === 0 },
  { name: "audit entry", good: Object.keys(auditTypes).map((type) => ({ id: "i", type, tenant: null, time, by: "self", data: {}, key_id: "k", signature: "s" })), wrap: (value) => typeof value === "object" && value !== null ? linked({ n: 0, digest: "" }, value as Parameters<typeof linked>[1]).bytes : ofJson(value), take: (bytes) => {
    const check = new AuditCheck([{ keyId: "k", publicKey: pem }])
    check.read(bytes, 1)
    check.result()
    return Result.isSuccess(parseAudit(bytes))
  } },
  json("head request", HeadRequest, [{ log_epoch: 1, mirror_seq: 1, journal: "j", journal_seq: 1, mirror: { last_seq: 1, messages: 1 } }]),
  json("head answer", HeadAnswer, [{ verdict: "head", log_id: "l", log_epoch: 1, tenant_last_seq: 1, head: null, head_seq: 0, positions: [{ peer_id: peer, log_seq: 1, seen_at: time }] }]),
  json("verdict", Verdict, [{ verdict: "invalid", log_id: "l", log_epoch: 1, event_id: "e", why: "w" }]),
  json("configuration: cluster layout", ClusterLayout, [{ partitions: 8, servers: [{ name: "a", host: "h", client_port: 1, route_port: 2, leaf_port: 3 }] }]),
  { name: "configuration: tenant record", good: [{ tenant, user_id: "ada", partition: 0, data_keys: [{ kid: key.kid, key: "k" }], pending: [], devices: [], gone: [], tools: [{ name: "n", nkey: "U", ends_at: time, revoked_at: time }], created_at: time }], wrap: ofJson, take: (bytes) => Result.isSuccess(Schema.decodeUnknownResult(TenantRecordJson)(textOf(bytes))) }
]

/** One input for a decoder: noise, good bytes spoiled, or good structure bent and properly wrapped. */
export const inputFor = (decoder: Decoder, dice: Dice): Uint8Array => {
  const kind = dice.roll(10)
  if (kind === 0) return noise(dice)
  const value = dice.pick(decoder.good)
  if (kind < 4) return spoiled(dice, decoder.wrap(value))
  let bad = bent(dice, value)
  for (let more = dice.roll(3); more > 0; more--) bad = bent(dice, bad)
  return decoder.wrap(bad)
}
