import { Clock, Effect, Option, Result, SubscriptionRef } from "effect"
import { type KeyRow, type Rotated, unknownKey } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { sentences } from "../../streams/sentences.ts"
import { keyGrace, keyRows } from "../security/handovers.ts"
import { keyId } from "../security/keys.ts"
import { type Paired, pairingKeyId } from "./Pairing.ts"
import { registerAgain, type RegistrationContext, renew } from "./registration.ts"

/** Former keys an identity tells of: more rotations than that while the other side was restored from a backup, and it knows none of them. */
const previousMax = 8

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })

/** New keys for this machine: those its identity names, or the secret it shares with the hosted side. */
export const rotateLocal = Effect.fnUntraced(function*(context: RegistrationContext, which: string): Effect.fn.Return<Rotated, CommandFailed> {
  if (which !== "identity" && which !== "pairing") return yield* unknownKey(which, "local")
  const held = SubscriptionRef.getUnsafe(context.state.paired)
  if (Option.isNone(held)) return yield* failed(409, "not-paired", "This machine is not paired: nobody knows its keys yet. `maestra local pair CODE` first.")
  return yield* which === "identity" ? rotateIdentity(context, held.value) : rotatePairing(context, held.value)
})

/**
 * Made and kept, then registered at the hosted side with the old key's word for them, and in force when that side has said
 * yes. Where it cannot be asked now, it is asked with every renewal from here on.
 */
const rotateIdentity = Effect.fnUntraced(function*(context: RegistrationContext, held: Paired): Effect.fn.Return<Rotated, CommandFailed> {
  const { self, state } = context
  const before = self.keyId
  if (self.prepared() === undefined) {
    const next = yield* self.handOver({ author: held.with.peer_id, grace: keyGrace, previousMax })
    yield* self.prepare(next).pipe(Effect.mapError(({ hint }) => failed(503, "not-stored", hint)))
  }
  const prepared = self.prepared()!.identity
  if (!SubscriptionRef.getUnsafe(state.paused)) yield* renew(context)
  const done = self.prepared() === undefined && self.keyId !== before
  return {
    status: done ? "rotated" : "pending",
    which: "identity",
    key_id: done ? self.keyId : keyId(prepared.public_key),
    previous_key_id: before,
    grace_ends_at: prepared.previous_keys?.at(-1)?.grace_ends_at ?? null,
    sentence: done
      ? "New keys are in force; what the old one signed counts for seven days more."
      : "New keys are made and wait for the hosted backend, which could not be asked: they are in force when it has answered."
  }
})

/**
 * Another secret for the sessions, which the hosted side makes and sends wrapped: both ends change over with one answer. An
 * answer that gets lost changes nothing here, and the next registration, signed with the old secret, brings it again.
 */
const rotatePairing = Effect.fnUntraced(function*(context: RegistrationContext, { secrets: before }: Paired): Effect.fn.Return<Rotated, CommandFailed> {
  if (SubscriptionRef.getUnsafe(context.state.paused)) return yield* failed(409, "paused", "This machine is paused, and the secret is agreed on with the hosted backend. `maestra local resume` first.")
  const result = yield* registerAgain(context, { rotateSecret: true })
  if (Result.isFailure(result)) {
    return yield* result.failure._tag === "CommandFailed" ? result.failure : failed(503, "not-reachable", sentences(result.failure.hint, "Both ends must agree on the new secret, so nothing was changed here; try again when it is up."))
  }
  const { secret } = result.success.secrets
  return {
    status: "rotated",
    which: "pairing",
    key_id: pairingKeyId(secret),
    previous_key_id: pairingKeyId(before.secret),
    grace_ends_at: result.success.secrets.previous[0]?.until ?? null,
    sentence: "A new secret signs the sessions of this machine from here on; those signed with the old one, and its companions', are good for seven days more."
  }
})

/** What this machine signs with, and did. */
export const listLocalKeys = ({ self, state }: RegistrationContext): Effect.Effect<ReadonlyArray<KeyRow>> =>
  Effect.gen(function*() {
    const now = isoTime(yield* Clock.currentTimeMillis)
    const next = self.prepared()
    const held = SubscriptionRef.getUnsafe(state.paired)
    return [
      ...keyRows(self.identity, now),
      ...next === undefined ? [] : [{ kind: "signing", key_id: keyId(next.identity.public_key), since: null, ends_at: null, status: "prepared" as const }],
      ...Option.match(held, { onNone: () => [], onSome: (paired) => pairedRows(paired, now) })
    ]
  })

const pairedRows = ({ secrets, with: paired }: Paired, now: string): ReadonlyArray<KeyRow> => [
  ...secrets.previous.toReversed().map(({ secret, until }): KeyRow => ({ kind: "pairing", key_id: pairingKeyId(secret), since: null, ends_at: until, status: now < until ? "in_grace" : "ended" })),
  { kind: "pairing", key_id: pairingKeyId(secrets.secret), since: paired.secret_since ?? null, ends_at: null, status: "current" },
  { kind: "session", key_id: null, since: paired.renewed_at, ends_at: paired.expires_at, status: "current" }
]
