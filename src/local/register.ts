import { Clock, Duration, Effect, Redacted, Result, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { CommandFailed } from "../../streams/Backend.ts"
import { Registered, type RegisterPeer } from "../../streams/Registration.ts"
import { Erased, ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import { Identity } from "../../streams/events/peer.ts"
import { isoTime } from "../../streams/time.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { handovers } from "../security/handovers.ts"
import { keyId, publicKey } from "../security/keys.ts"
import type { PairingCode } from "../security/pairingCode.ts"
import { verifyIdentityProof } from "../security/proofs.ts"
import { createSessionToken, encodeBearer, newSessionId } from "../security/sessionToken.ts"
import { verifyObject } from "../security/signing.ts"

/** The hosted side could not be asked: no network, or it is down. Nothing was changed; it is tried again. */
export class HostedUnreachable extends Schema.TaggedError<HostedUnreachable>()("HostedUnreachable", { url: Schema.String, hint: Schema.String }) {}

const patience = Duration.seconds(10)
/** An identity or a registration has about 6 KiB. */
const answerMaxBytes = 256 * 1024

/** Who answers at a URL, proved by a signature over a challenge of ours. */
const askIdentity = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Identity, HostedUnreachable | CommandFailed> {
  const challenge = randomBytes(32).toString("base64url")
  const answer = yield* call(`${url}/identity?challenge=${challenge}`, {})
  const read = Schema.decodeUnknownResult(IdentityAnswer)(answer)
  if (answer === undefined || Result.isFailure(read)) return yield* refuse(`${url} does not answer as a hosted backend of this version does`)
  const { identity, proof } = read.success
  const raw = (answer as { readonly identity: Identity }).identity
  return verifyIdentityProof(raw, challenge, proof) ? identity : yield* refuse(`${url} could not prove that it holds the key it shows`)
})

const IdentityAnswer = Schema.Struct({ identity: Identity, proof: Schema.String })

/** The hosted backend behind a pairing code: whoever answers must hold the key the code names. */
export const identifyHosted = Effect.fnUntraced(function*(code: PairingCode): Effect.fn.Return<Identity, HostedUnreachable | CommandFailed> {
  const identity = yield* askIdentity(code.url)
  const key = publicKey(identity.public_key)
  // a code made just before a rotation names the key that handed over to this one
  return Result.isSuccess(key) && handovers(code.fingerprint, "hosted", identity) !== undefined && identity.backend_type === "hosted"
    ? identity
    : yield* refuse(`${code.url} is not the backend this code was made by: its key is another one. Somebody may be in between`)
})

export interface RegisterOptions {
  readonly url: string
  readonly hosted: Identity
  readonly userId: string
  readonly secret: Redacted.Redacted<Uint8Array>
  readonly self: Signer
  readonly transportKey: string
  readonly sessionLife: Duration.Duration
  /** Ask for another secret. */
  readonly rotateSecret?: boolean
}

/** What a registration came to, and the hosted identity as it is now: the pinned one, or one that it leads to by its own signatures. */
export interface Answered {
  readonly answer: Registered
  readonly hosted: Identity
}

/** `POST /register-peer` there: join, or renew. The token lives for `sessionLife`, 8 hours at most. */
export const registerWith = Effect.fnUntraced(function*(options: RegisterOptions): Effect.fn.Return<Answered, HostedUnreachable | CommandFailed> {
  const token = yield* sessionToken(options)
  const body = JSON.stringify({
    backend_identity: options.self.identity,
    sbt: encodeBearer(token),
    proof: yield* options.self.prove(token.signature),
    transport_key: options.transportKey,
    ...(options.rotateSecret === true ? { rotate_secret: true } : {})
  })
  const answer = yield* call(`${options.url}/register-peer`, { method: "POST", headers: { "content-type": "application/json" }, body })
  const read = Schema.decodeUnknownResult(Registered)(answer)
  if (Result.isFailure(read)) return yield* refuse("the hosted backend's answer cannot be read; it may be of another version")
  const hosted = yield* hostedNow(options, read.success)
  // keys and addresses are in it: they are taken from nobody in between
  return verifyObject(hosted.public_key, "registration", { ...answer as object, challenge: token.signature })
    ? { answer: read.success, hosted }
    : yield* refuse(`the answer of ${options.url} is not signed with the key of the hosted backend this machine belongs to. Somebody may be in between`)
})

const hostedNow = Effect.fnUntraced(function*({ hosted, url }: RegisterOptions, answer: Registered): Effect.fn.Return<Identity, HostedUnreachable | CommandFailed> {
  const pinned = keyId(hosted.public_key)
  if (answer.hosted_key_id === undefined || answer.hosted_key_id === pinned) return hosted
  const told = yield* askIdentity(url)
  return told.backend_id === hosted.backend_id && handovers(pinned, "hosted", told) !== undefined
    ? told
    : yield* new CommandFailed({ status: 409, type: "other-key", hint: `${url} signs with another key than the one this machine knows, and the known one did not hand over to it. Somebody may be in between.` })
})

/** Whether anybody answers there as a backend does. */
export const answersAt = (url: string): Effect.Effect<boolean> => Effect.isSuccess(call(`${url}/health`, {}))

/** Pass a companion's registration on as it came: it is signed for both sides. */
export const forwardRegistration = (url: string, body: RegisterPeer): Effect.Effect<unknown, HostedUnreachable | CommandFailed> =>
  call(`${url}/register-peer`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })

/** Erasing waits for the machines that are online. */
const erasePatience = Duration.minutes(2)

/** `DELETE /privacy/data` there, with a session and a fresh proof. What it answers is to be believed by its receipt only. */
export const eraseThere = Effect.fnUntraced(function*(options: Omit<RegisterOptions, "transportKey"> & { readonly peerId: string }): Effect.fn.Return<Erased, HostedUnreachable | CommandFailed> {
  const url = `${options.url}/privacy/data`
  const token = yield* sessionToken(options)
  const proof = yield* options.self.freshProof(options.peerId, { method: "DELETE", path: new URL(url).pathname, body: new Uint8Array() })
  const answer = yield* call(url, { method: "DELETE", headers: { authorization: `Bearer ${encodeBearer(token)}`, "maestra-proof": proof } }, erasePatience)
  const read = Schema.decodeUnknownResult(Erased)(answer)
  return Result.isSuccess(read) ? read.success : yield* refuse("the hosted backend's answer cannot be read; it may be of another version")
})

const sessionToken = (options: Omit<RegisterOptions, "transportKey">) =>
  Effect.map(Clock.currentTimeMillis, (now) => createSessionToken({
    session_id: newSessionId(),
    local_backend_id: options.self.identity.backend_id,
    hosted_backend_id: options.hosted.backend_id,
    user_id: options.userId,
    created_at: isoTime(now),
    expires_at: isoTime(now + Duration.toMillis(options.sessionLife))
  }, Redacted.value(options.secret)))

const refuse = (why: string) => new CommandFailed({ status: 409, type: "not-the-expected-backend", hint: why })

const Problem = Schema.Struct({ type: Schema.optionalKey(Schema.String), hint: Schema.optionalKey(Schema.String), detail: Schema.optionalKey(Schema.String), receipt: Schema.optionalKey(ErasureReceipt) })
const statuses = new Set([400, 401, 403, 404, 409, 410, 429])

const call = (url: string, init: RequestInit, within: Duration.Duration = patience): Effect.Effect<unknown, HostedUnreachable | CommandFailed> =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { ...init, redirect: "error", signal: AbortSignal.any([signal, AbortSignal.timeout(Duration.toMillis(within))]) })
      const text = await response.text()
      if (text.length > answerMaxBytes) throw new Error("the answer is too long")
      return { status: response.status, text }
    },
    catch: (cause) => new HostedUnreachable({ url: new URL(url).origin, hint: `The hosted backend at ${new URL(url).origin} does not answer (${reasonOf(cause)}).` })
  }).pipe(
    Effect.flatMap(({ status, text }): Effect.Effect<unknown, HostedUnreachable | CommandFailed> => {
      const json: unknown = Result.getOrElse(Result.try(() => JSON.parse(text) as unknown), () => undefined)
      if (status >= 200 && status < 300) return Effect.succeed(json)
      const problem = Result.getOrElse(Schema.decodeUnknownResult(Problem)(json), () => ({}) as typeof Problem.Type)
      const hint = problem.hint ?? problem.detail ?? `the hosted backend answered ${status}`
      return statuses.has(status)
        ? Effect.fail(new CommandFailed({ status: status as CommandFailed["status"], type: nameOf(problem.type), hint, ...(problem.receipt === undefined ? {} : { receipt: problem.receipt }) }))
        : Effect.fail(new HostedUnreachable({ url: new URL(url).origin, hint }))
    }))

/** The other side's word, and so no more than a word. */
const nameOf = (type: string = ""): string => /([a-z0-9-]{1,64})$/.exec(type)?.[1] ?? "refused"

const reasonOf = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? ("code" in inner && typeof inner.code === "string" ? inner.code : inner.message) : "unknown reason"
}
