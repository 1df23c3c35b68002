import { Clock, Duration, Effect, Option, Redacted, Result, SubscriptionRef } from "effect"
import type { Audit } from "../../streams/Audit.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import type { Registered } from "../../streams/Registration.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import { sentences } from "../../streams/sentences.ts"
import type { LeafConfig } from "../nats/leafConfig.ts"
import { credsFile, makeTransportKey, transportPublicKey } from "../nats/leafCredentials.ts"
import { issuerOf } from "../nats/signingKeys.ts"
import type { ServerProcess } from "../nats/ServerProcess.ts"
import { type BackendIdentity, type Signer, signerOf } from "../security/BackendIdentity.ts"
import { isErased } from "../security/erasure.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import { refusalOfUrl } from "../security/plainText.ts"
import { decodePairingCode } from "../security/pairingCode.ts"
import { dataKeyBytes } from "../security/sealing.ts"
import { type Paired, type PairingSecrets, type PairingStore, withNextSecret } from "./Pairing.ts"
import { revokedNeeds } from "./onVerdict.ts"
import { type HostedUnreachable, identifyHosted, registerWith } from "./register.ts"
import { awaitRef, bump, needPerson, note, type State, unlessPaused } from "./State.ts"

export interface RegistrationContext {
  readonly state: State
  readonly store: PairingStore
  readonly leaf: LeafConfig
  readonly server: ServerProcess
  readonly self: BackendIdentity["Service"]
  readonly sessionLife: Duration.Duration
  /** The hosted side may be spoken to in plain text over the network. */
  readonly plainAllowed: boolean
  readonly audit: { readonly service: Pick<Audit["Service"], "count"> }
}

/** Renew this long before the registration ends, or at two thirds of a short one. */
const renewBefore = Duration.minutes(15)
const renewRetry = Duration.seconds(30)

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const offline = (error: HostedUnreachable) => failed(503, "not-reachable", sentences(error.hint, "Nothing was changed; try again when it is up."))
const onDisk = (error: { readonly hint: string }) => failed(503, "not-stored", error.hint)

/** Join the hosted backend a pairing code names. A second time with another code: the same hosted backend only. */
export const pair = Effect.fnUntraced(function*(context: RegistrationContext, text: string): Effect.fn.Return<Registered, CommandFailed> {
  const decoded = decodePairingCode(text)
  if (Result.isFailure(decoded)) return yield* failed(400, "pairing-code", decoded.failure.hint)
  const code = decoded.success
  const plain = refusalOfUrl(code.url, context.plainAllowed)
  if (plain !== undefined) return yield* failed(400, "plain-text", `The code's address ${plain}. Have its operator give an https:// address (--public-url), or start this backend with --insecure-plain.`)
  const held = SubscriptionRef.getUnsafe(context.state.paired)
  if (Option.isSome(held) && SubscriptionRef.getUnsafe(context.state.needs) === undefined) {
    return yield* failed(409, "already-paired", `This machine is paired with ${held.value.with.hosted_url}. \`maestra local unpair\` first.`)
  }
  const pinned = yield* identifyHosted(code).pipe(Effect.catchTag("HostedUnreachable", (error) => Effect.fail(offline(error))))
  const transport = yield* makeTransportKey
  const { answer, hosted } = yield* registerWith({
    url: code.url,
    hosted: pinned,
    userId: code.userId,
    secret: code.secret,
    self: context.self,
    transportKey: transport.publicKey,
    sessionLife: context.sessionLife
  }).pipe(Effect.catchTag("HostedUnreachable", (error) => Effect.fail(offline(error))))
  const secrets = { secret: code.secret, previous: [], transportSeed: Redacted.make(transport.seed), dataKeys: [] }
  const paired = yield* accept(context, answer, { hosted_url: code.url, hosted, user_id: code.userId }, secrets, context.self)
  yield* context.leaf.pair({ urls: paired.with.leaf_urls, creds: credsFile(answer.replication!.leaf_jwt, transport.seed) }).pipe(Effect.mapError(onDisk))
  yield* context.server.reload.pipe(Effect.mapError(onDisk))
  yield* SubscriptionRef.set(context.state.needs, undefined)
  yield* SubscriptionRef.set(context.state.revoked, false)
  yield* SubscriptionRef.set(context.state.paired, Option.some(paired))
  return answer
})

/** Keep what a registration said: the leaf's place and token, the data key, the log's identity. */
const accept = Effect.fnUntraced(function*(
  context: RegistrationContext,
  answer: Registered,
  about: Pick<Paired["with"], "hosted_url" | "hosted" | "user_id" | "secret_since">,
  secrets: PairingSecrets,
  self: Pick<Signer, "unwrap">
): Effect.fn.Return<Paired, CommandFailed> {
  const { replication } = answer
  const [first, ...rest] = replication?.leaf_urls ?? []
  if (replication === undefined || first === undefined) return yield* failed(409, "no-replication", "the hosted backend offers no replication to this machine")
  const key = yield* self.unwrap(replication.data_key).pipe(Effect.mapError(({ why }) => failed(409, "data-key", `the data key cannot be opened: ${why}`)))
  const now = isoTime(yield* Clock.currentTimeMillis)
  const issuer = issuerOf(replication.leaf_jwt)
  const session = answer.session_key === undefined ? undefined : yield* self.unwrap(answer.session_key.key).pipe(Effect.mapError(({ why }) => failed(409, "session-key", `the next secret of the sessions cannot be opened: ${why}`)))
  const held = session === undefined ? secrets : withNextSecret(secrets, new Uint8Array(dataKeyBytes(session)), answer.session_key!.grace_ends_at, now)
  const paired: Paired = {
    with: {
      ...about,
      tenant: replication.tenant,
      peer_id: answer.peer_id,
      expires_at: answer.expires_at,
      renewed_at: now,
      ...(session === undefined ? {} : { secret_since: now }),
      ...(issuer === undefined ? {} : { leaf_issuer: issuer }),
      leaf_urls: [first, ...rest],
      log: replication.log,
      log_id: replication.log_id,
      log_epoch: replication.log_epoch
    },
    secrets: { ...held, dataKeys: [...held.dataKeys.filter(({ kid }) => kid !== key.kid), key] }
  }
  yield* context.store.save(paired).pipe(Effect.mapError(onDisk))
  return paired
})

/** Forget the hosted side. What was written here stays; so does what came from there, until `resync` or `rebuild`. */
export const unpair = Effect.fnUntraced(function*(context: RegistrationContext): Effect.fn.Return<void, CommandFailed> {
  yield* context.store.forget.pipe(Effect.mapError(onDisk))
  yield* context.leaf.unpair.pipe(Effect.mapError(onDisk))
  yield* context.server.reload.pipe(Effect.mapError(onDisk))
  yield* SubscriptionRef.set(context.state.paired, Option.none())
  yield* SubscriptionRef.set(context.state.heard, undefined)
  yield* SubscriptionRef.set(context.state.needs, undefined)
  yield* SubscriptionRef.set(context.state.revoked, false)
})

/** Register again before, or after, the registration ends. What cannot be mended here is told to a person. */
export const renew = (context: RegistrationContext): Effect.Effect<boolean> => Effect.map(registerAgain(context, {}), Result.isSuccess)

/**
 * The same, and why not. `rotateSecret`: with another secret for the sessions from here on, and another nkey for the link,
 * which takes it up when it is dialled the next time.
 */
export const registerAgain = Effect.fnUntraced(function*(context: RegistrationContext, { rotateSecret = false }: { readonly rotateSecret?: boolean }): Effect.fn.Return<Result.Result<Paired, CommandFailed | HostedUnreachable>> {
  const held = SubscriptionRef.getUnsafe(context.state.paired)
  if (Option.isNone(held)) return Result.fail(failed(409, "not-paired", "This machine is not paired: `maestra local pair CODE` first."))
  const { with: paired } = held.value
  const seed = rotateSecret ? (yield* makeTransportKey).seed : Redacted.value(held.value.secrets.transportSeed)
  const secrets = { ...held.value.secrets, transportSeed: Redacted.make(seed) }
  // keys that wait for the hosted side's yes register themselves, with the present key's word for them
  const next = context.self.prepared()
  const self = next === undefined ? context.self : signerOf(next)
  const result = yield* Effect.result(Effect.gen(function*() {
    const { answer, hosted } = yield* registerWith({
      url: paired.hosted_url,
      hosted: paired.hosted,
      userId: paired.user_id,
      secret: secrets.secret,
      self,
      transportKey: transportPublicKey(seed),
      sessionLife: context.sessionLife,
      rotateSecret
    })
    const renewed = yield* accept(context, answer, { ...paired, hosted }, secrets, self)
    if (next !== undefined) yield* context.self.adopt(next).pipe(Effect.mapError(onDisk))
    const changed = renewed.with.leaf_urls.join() !== paired.leaf_urls.join()
    const creds = credsFile(answer.replication!.leaf_jwt, seed)
    if (changed) {
      yield* context.leaf.pair({ urls: renewed.with.leaf_urls, creds }).pipe(Effect.mapError(onDisk))
      yield* context.server.reload.pipe(Effect.mapError(onDisk))
    } else yield* context.leaf.renew(creds)
    // another epoch is noticed, and acted on, where verdicts are read
    return { ...renewed, with: { ...renewed.with, log_id: paired.log_id, log_epoch: paired.log_epoch } }
  }))
  if (Result.isSuccess(result)) {
    yield* SubscriptionRef.set(context.state.paired, Option.some(result.success))
    return result
  }
  const { receipt } = result.failure._tag === "CommandFailed" ? result.failure : {}
  if (receipt !== undefined && isErased(receipt, paired.tenant, keysOfIdentity(paired.hosted))) {
    yield* SubscriptionRef.set(context.state.erasing, { receipt })
    return result
  }
  // a hosted side that will have no new key goes on with the old one
  if (next !== undefined && result.failure._tag === "CommandFailed" && result.failure.status === 409) yield* context.self.abandon.pipe(Effect.ignore)
  else if (result.failure._tag === "CommandFailed" && isFinal(result.failure)) {
    const isRevoked = result.failure.type === "revoked"
    yield* needPerson(context.state, isRevoked ? revokedNeeds : result.failure.hint, isRevoked)
    yield* context.audit.service.count({ type: "registration.refused", by: "hosted", data: { reason: result.failure.type } })
    return result
  }
  note(context.state, yield* Clock.currentTimeMillis, `renewing the registration: ${result.failure.hint}`)
  return result
})

/**
 * What trying again does not change, so that a person has to. A token refused for its times is not among it: one of
 * the two clocks is wrong, and will be put right.
 */
const isFinal = ({ status, type }: CommandFailed): boolean =>
  status === 403 || status === 409 || status === 410 || (status === 401 && type !== clockRefusal)

/** How hosted names a token it refuses for its times (or for being another pair's, which a renewal's never is). */
const clockRefusal = "token-refused"

/** Renew in time, for ever. Never while paused: resuming renews first. */
export const keepRegistered = Effect.fnUntraced(function*(context: RegistrationContext): Effect.fn.Return<never> {
  let served = SubscriptionRef.getUnsafe(context.state.renewalWanted)
  for (;;) {
    const wanted = SubscriptionRef.getUnsafe(context.state.renewalWanted)
    const held = SubscriptionRef.getUnsafe(context.state.paired)
    if (Option.isNone(held)) return yield* Effect.never
    const wait = context.self.prepared() === undefined && wanted === served ? dueIn(held.value.with, yield* Clock.currentTimeMillis) : 0
    if (wait > 0 && SubscriptionRef.getUnsafe(context.state.link).refused !== true) {
      // thrown out by the hub, registering over HTTP tells whether we are expired, revoked or erased
      yield* Effect.raceFirst(awaitRef(context.state.link, ({ refused }) => refused === true), awaitRef(context.state.renewalWanted, (now) => now !== served)).pipe(Effect.timeoutOption(Duration.millis(Math.min(wait, 60_000))))
      continue
    }
    const paused = SubscriptionRef.getUnsafe(context.state.paused) || SubscriptionRef.getUnsafe(context.state.needs) !== undefined
    if (paused || !(yield* unlessPaused(context.state, renew(context), false))) yield* paused ? Effect.sleep(Duration.seconds(1)) : untilWorthTrying(context)
    else {
      served = wanted
      yield* bump(context.state.relayWanted).pipe(Effect.when(Effect.succeed(millisOf(held.value.with.expires_at) <= (yield* Clock.currentTimeMillis))))
      // the server takes up the new token when it dials the next time
      if (wait > 0) yield* awaitRef(context.state.link, ({ up }) => up).pipe(Effect.timeoutOption(renewRetry))
    }
  }
})

/** A while, or less where the hosted side was away and is back. */
const untilWorthTrying = ({ state }: RegistrationContext): Effect.Effect<void> =>
  SubscriptionRef.getUnsafe(state.link).up ? Effect.sleep(renewRetry) : Effect.asVoid(Effect.timeoutOption(awaitRef(state.link, ({ up }) => up), renewRetry))

/** Milliseconds until a registration should be renewed. */
const dueIn = (paired: { readonly expires_at: string; readonly renewed_at: string }, now: number): number => {
  const ends = millisOf(paired.expires_at)
  const life = ends - millisOf(paired.renewed_at)
  return ends - Math.min(Duration.toMillis(renewBefore), life / 3) - now
}
