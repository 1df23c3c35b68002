import { Clock, Effect, Option, SubscriptionRef } from "effect"
import type { KeyRow, Rotated } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { keyGrace, keyRows } from "../security/handovers.ts"
import { keyId } from "../security/keys.ts"
import { type RegistrationContext, renew } from "./registration.ts"

/** Former keys an identity tells of: more rotations than that while the other side was restored from a backup, and it knows none of them. */
const previousMax = 8

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })

/**
 * New keys for this machine: made and kept, then registered at the hosted side with the old key's word for them, and in
 * force when that side has said yes. Where it cannot be asked now, it is asked with every renewal from here on.
 */
export const rotateLocal = Effect.fnUntraced(function*(context: RegistrationContext, which: string): Effect.fn.Return<Rotated, CommandFailed> {
  const { self, state } = context
  if (which !== "identity") return yield* failed(400, "unknown-key", "A local backend rotates its `identity`: the pairs it signs with and opens data keys with.")
  const held = SubscriptionRef.getUnsafe(state.paired)
  if (Option.isNone(held)) return yield* failed(409, "not-paired", "This machine is not paired: nobody knows its keys yet. `maestra local pair CODE` first.")
  const before = self.keyId
  if (self.prepared() === undefined) {
    const next = yield* self.handOver({ author: held.value.with.peer_id, grace: keyGrace, previousMax })
    yield* self.prepare(next).pipe(Effect.mapError(({ hint }) => failed(503, "not-stored", hint)))
  }
  const prepared = self.prepared()!.identity
  if (!SubscriptionRef.getUnsafe(state.paused)) yield* renew(context)
  const done = self.prepared() === undefined && self.keyId !== before
  return {
    status: done ? "rotated" : "pending",
    which,
    key_id: done ? self.keyId : keyId(prepared.public_key),
    previous_key_id: before,
    grace_ends_at: prepared.previous_keys?.at(-1)?.grace_ends_at ?? null,
    sentence: done
      ? "New keys are in force; what the old one signed counts for seven days more."
      : "New keys are made and wait for the hosted backend, which could not be asked: they are in force when it has answered."
  }
})

/** What this machine signs with, and did. */
export const listLocalKeys = ({ self, state }: RegistrationContext): Effect.Effect<ReadonlyArray<KeyRow>> =>
  Effect.gen(function*() {
    const rows = keyRows(self.identity, isoTime(yield* Clock.currentTimeMillis))
    const next = self.prepared()
    const held = SubscriptionRef.getUnsafe(state.paired)
    return [
      ...rows,
      ...next === undefined ? [] : [{ kind: "signing", key_id: keyId(next.identity.public_key), since: null, ends_at: null, status: "prepared" as const }],
      ...Option.match(held, { onNone: () => [], onSome: ({ with: paired }) => [{ kind: "session", key_id: null, since: paired.renewed_at, ends_at: paired.expires_at, status: "current" as const }] })
    ]
  })
