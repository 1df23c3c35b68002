import { Clock, Effect, Redacted, Result, Schedule, Schema, Stream, SubscriptionRef } from "effect"
import { type KeyRow, type Keys, type Rotated, unknownKey } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { Identity, previousKeysMax } from "../../streams/events/peer.ts"
import { isoTime } from "../../streams/time.ts"
import { sentences } from "../../streams/sentences.ts"
import type { KeyValue } from "../nats/keyValue.ts"
import type { PeersSigner } from "../nats/hubSecrets.ts"
import type { BackendIdentity } from "../security/BackendIdentity.ts"
import { handovers, keyGrace, keyRows } from "../security/handovers.ts"
import type { HeldKeys } from "../security/identityPlace.ts"
import { readPrivateKey } from "../security/keys.ts"
import type { SecretKey } from "../security/secretKey.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import { openSharedRecord, type SharedRecord } from "./SharedRecord.ts"
import { rotateSigning, type SharedSigner, signingRows } from "./signingKey.ts"
import type { Tenants } from "./Tenants.ts"

/** An identity with its private keys (PKCS #8), as the processes of a deployment hand it to one another. */
const StoredKeys = Schema.Struct({ identity: Identity, signing: Schema.String, wrap: Schema.String })
type StoredKeys = typeof StoredKeys.Type

/** `next`: made, and being told to every tenant. `current`: told, and in force. Null before the first rotation. */
const SharedKeys = Schema.Struct({ current: Schema.NullOr(StoredKeys), next: Schema.NullOr(StoredKeys) })
export type SharedKeys = typeof SharedKeys.Type

export const openSharedKeys = (store: KeyValue, storeKey: SecretKey) =>
  openSharedRecord<SharedKeys>(store, storeKey, { key: "admin.identity", schema: SharedKeys, empty: { current: null, next: null } })

export interface RotationContext {
  readonly identity: BackendIdentity["Service"]
  readonly keyRecord: SharedRecord<SharedKeys>
  readonly tenants: Pick<Tenants, "all">
  readonly own: Pick<OwnCommits, "write">
}

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const unfinished = ({ hint }: { readonly hint: string }) => failed(503, "try-again", sentences(hint, "The rotation goes on by itself; `maestra keys list --on hosted` shows how far it is."))

/** Be what the deployment's processes agreed on: at a start, and whenever one of them has rotated the keys. */
export const adoptShared = Effect.fnUntraced(function*(identity: BackendIdentity["Service"], { current }: SharedKeys) {
  if (current === null || current.identity.public_key === identity.identity.public_key) return
  const keys = heldKeys(current)
  // an older one, from a store that was put back, is none to go back to
  if (keys === undefined || handovers(identity.keyId, "hosted", current.identity) === undefined) return
  yield* identity.adopt(keys)
  yield* Effect.logInfo("signing with new keys", { key_id: identity.keyId })
})

const heldKeys = ({ identity, signing, wrap }: StoredKeys): HeldKeys | undefined => {
  const signs = readPrivateKey(Redacted.make(signing))
  const opens = readPrivateKey(Redacted.make(wrap))
  return Result.isSuccess(signs) && Result.isSuccess(opens) ? { identity, signing: signs.success, wrap: opens.success } : undefined
}

/** Follow the others' rotations, and finish one that was begun, for ever. */
export const keepKeys = (context: RotationContext): Effect.Effect<void> =>
  SubscriptionRef.changes(context.keyRecord.held).pipe(
    Stream.runForEach((held) =>
      Effect.andThen(
        adoptShared(context.identity, held).pipe(Effect.orDie),
        held.next === null ? Effect.void : finish(context, held.next).pipe(Effect.retry(Schedule.spaced("2 seconds")), Effect.orDie))))

/**
 * New keys for the whole deployment. Every tenant's log says so, signed with the old key, before anything is signed with
 * the new one; then all processes change over. Stopped at any point, any process goes on.
 */
const rotate = Effect.fnUntraced(function*(context: RotationContext): Effect.fn.Return<Rotated, CommandFailed> {
  const { identity, keyRecord } = context
  const before = identity.keyId
  const made = yield* identity.handOver({ author: "hosted", grace: keyGrace, previousMax: previousKeysMax })
  const stored: StoredKeys = { identity: made.identity, signing: Redacted.value(made.signing.privatePem), wrap: Redacted.value(made.wrap.privatePem) }
  const { next } = yield* keyRecord.update((held): Result.Result<SharedKeys, never> => Result.succeed(held.next === null ? { ...held, next: stored } : held)).pipe(Effect.mapError(unfinished))
  yield* finish(context, next!)
  return {
    status: "rotated",
    which: "identity",
    key_id: identity.keyId,
    previous_key_id: before,
    grace_ends_at: next!.identity.previous_keys?.at(-1)?.grace_ends_at ?? null,
    sentence: "New keys are in force on every process; what the old one signed counts for seven days more."
  }
})

const finish = Effect.fnUntraced(function*({ identity, keyRecord, own, tenants }: RotationContext, next: StoredKeys): Effect.fn.Return<void, CommandFailed> {
  const [step] = handovers(identity.keyId, "hosted", next.identity) ?? []
  if (step !== undefined) {
    yield* Effect.forEach([...tenants.all()], ({ tenant }) =>
      own.write(tenant, [{ fact: { type: "key.rotated", data: step }, subject: "hosted", surface: "hosted" }]).pipe(Effect.mapError(unfinished)), { concurrency: 8, discard: true })
  }
  const after = yield* keyRecord.update((held): Result.Result<SharedKeys, never> =>
    Result.succeed(held.next?.identity.public_key === next.identity.public_key ? { current: next, next: null } : held)).pipe(Effect.mapError(unfinished))
  yield* adoptShared(identity, after).pipe(Effect.mapError(unfinished))
})

/** What the deployment signs with, and did. */
export const hostedKeys = (context: RotationContext & { readonly signerRecord: SharedRecord<SharedSigner>; readonly signer: PeersSigner }): Keys["Service"] => ({
  list: Effect.gen(function*() {
    const now = isoTime(yield* Clock.currentTimeMillis)
    const rows: ReadonlyArray<KeyRow> = [...keyRows(context.identity.identity, now), ...signingRows(context.signerRecord, context.signer, now)]
    return rows
  }),
  rotate: (which) =>
    which === "identity" ? rotate(context) : which === "nats" ? rotateSigning(context.signerRecord, context.signer) : Effect.fail(unknownKey(which, "hosted"))
})
