import { Clock, Effect, Option, Result } from "effect"
import { subjects } from "../../streams/subjects.ts"
import { isoTime } from "../../streams/time.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import type { EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import { type Admitted, admit, type Facts, follow, type Head, type Refusal } from "../security/admit.ts"
import type { AuthorKey } from "../security/AuthorKeys.ts"
import { frame, type ParsedCommit, parseCommit, unframe, verifyCommit } from "../security/commit.ts"
import { type DataKeys, openData } from "../security/envelopes.ts"
import { type Companion, type CompanionStore, keysOfCompanion } from "./companions.ts"
import { companionEventIds } from "./companionFrame.ts"
import type { Journal, LamportClock } from "./Journal.ts"
import type { Paired } from "./Pairing.ts"
import type { State } from "./State.ts"
import type { Tables } from "./Tables.ts"

export interface AcceptContext {
  readonly state: State
  readonly companions: CompanionStore
  readonly tables: Tables
  readonly journal: Journal
  readonly journalLog: EventLog
  /** The tenant's log as this machine has it, while paired. */
  readonly mirror: () => EventLog | undefined
  readonly clock: LamportClock
  readonly dataKeys: DataKeys
}

type Answer = Refusal | { readonly verdict: "committed"; readonly log_seq: number }
export interface OfferedCommit {
  readonly record: Uint8Array
  readonly events: ReadonlyArray<Uint8Array>
}

/** Each means that another request of the same companion came in between. */
const attemptsMax = 3

/**
 * Take a companion's commit into the journal, as it was signed: judged by the rules of ingest, kept framed under
 * `journal.commit.<author>`, for the relay to send on unchanged. `committed` here means durable on this machine.
 */
export const acceptCommit = Effect.fnUntraced(function*(context: AcceptContext, paired: Paired, peer: string, offered: OfferedCommit): Effect.fn.Return<Verdict> {
  const { log_epoch, log_id } = paired.with
  const wrap = (answer: Answer): Verdict => ({ ...answer, log_id, log_epoch })
  const companion = context.companions.of(peer)
  const parsed = parseCommit(offered.record)
  if (Result.isFailure(parsed)) return wrap({ verdict: "invalid", event_id: "", why: parsed.failure.why })
  const keys = yield* keysOf(context, companion, peer)
  const admitted = admit(parsed.success, offered.events, yield* factsOf(context, paired, peer, companion, keys))
  if (Result.isFailure(admitted)) return wrap(admitted.failure)
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const answer = yield* extend(context, paired, parsed.success, offered, admitted.success, keys)
    if (answer !== "again") return wrap(answer)
  }
  return wrap({ verdict: "busy" })
})

/** Continue the companion's chain, fenced on its last commit in the journal. */
const extend = Effect.fnUntraced(function*(context: AcceptContext, paired: Paired, parsed: ParsedCommit, offered: OfferedCommit, admitted: Admitted, keys: ReadonlyArray<AuthorKey>): Effect.fn.Return<Answer | "again"> {
  const { author } = parsed.record
  const place = yield* Effect.result(headOf(context, paired, author, keys))
  if (Result.isFailure(place)) return { verdict: "busy" }
  const { fence, head } = place.success
  const decision = follow(parsed.record, head)
  if (decision._tag === "repeated") return { verdict: "committed", log_seq: decision.log_seq }
  if (decision._tag === "mismatch") return { verdict: "chain_mismatch", head: head === undefined ? null : decoder.decode(head.bytes) }
  // above it from here on: what is written next on this machine comes after it
  context.clock.seen = Math.max(context.clock.seen, admitted.greatestLamport)
  const data = frame(parsed.bytes, offered.events)
  return yield* context.journal.append({ subject: subjects.journalCommit(author), data, expectedLast: fence }).pipe(
    Effect.as<Answer | "again">({ verdict: "committed", log_seq: 0 }),
    Effect.catchTags({
      LogFenced: () => Effect.succeed("again" as const),
      // it may have happened: the next try finds it as a repeated request
      LogUnavailable: () => Effect.succeed({ verdict: "busy" } as const),
      LogFull: () => Effect.succeed({ verdict: "busy" } as const),
      LogRefused: ({ why }) => Effect.succeed({ verdict: "invalid", event_id: "", why } as const)
    }))
})

const decoder = new TextDecoder()

/**
 * Where a companion's chain stands: its last commit kept here, or the last one in the log where that is further, as
 * when the companion wrote to the hosted side itself. One kept here that the hosted side refused counts as not there.
 */
const headOf = Effect.fnUntraced(function*(context: AcceptContext, paired: Paired, author: string, keys: ReadonlyArray<AuthorKey>): Effect.fn.Return<{ readonly head: Head | undefined; readonly fence: number }, LogUnavailable> {
  const kept = yield* context.journalLog.last(subjects.journalCommit(author))
  const fence = Option.match(kept, { onNone: () => 0, onSome: ({ seq }) => seq })
  const framed = Option.isSome(kept) ? unframe(kept.value.data) : undefined
  const here = framed !== undefined && Result.isSuccess(framed) ? readHead(framed.success.record, 0, keys) : undefined
  const mirror = context.mirror()
  const stored = mirror === undefined ? Option.none<Stored>() : yield* Effect.orElseSucceed(mirror.last(subjects.logCommit(paired.with.tenant, author)), () => Option.none<Stored>())
  const there = Option.isSome(stored) ? readHead(stored.value.data, stored.value.seq, keys) : undefined
  if (here === undefined || there === undefined) {
    return { fence, head: here !== undefined && (yield* isSetAside(context, kept)) ? undefined : here ?? there }
  }
  if (there.digest === here.digest) return { fence, head: there }
  const ahead = here.journal === there.journal ? here.to > there.to : here.time > there.time
  return { fence, head: ahead && !(yield* isSetAside(context, kept)) ? here : there }
})

const isSetAside = (context: AcceptContext, kept: Option.Option<Stored>): Effect.Effect<boolean> =>
  Option.isNone(kept)
    ? Effect.succeed(false)
    : Effect.map(context.tables.notToSend(companionEventIds(kept.value.data)), (held) => [...held.values()].some((why) => why.startsWith("set aside")))

const readHead = (bytes: Uint8Array, seq: number, keys: ReadonlyArray<AuthorKey>): (Head & { readonly time: string }) | undefined => {
  const parsed = parseCommit(bytes)
  if (Result.isFailure(parsed)) return undefined
  const { digest, record } = parsed.success
  const key = keys.find((candidate) => candidate.keyId === record.key_id)
  return key !== undefined && verifyCommit(parsed.success, key.publicKey)
    ? { digest, journal: record.journal, from: record.from, to: record.to, ids: record.ids, seq, bytes, time: record.time }
    : undefined
}

/** The key it registered with, and those it rotated to since. */
const keysOf = Effect.fnUntraced(function*(context: AcceptContext, companion: Companion | undefined, peer: string) {
  const pinned = (yield* context.tables.keys).find(([, author]) => author === peer)?.[2].keys ?? []
  return companion === undefined ? pinned : keysOfCompanion(companion, pinned)
})

const factsOf = Effect.fnUntraced(function*(context: AcceptContext, paired: Paired, peer: string, companion: Companion | undefined, keys: ReadonlyArray<AuthorKey>): Effect.fn.Return<Facts> {
  return {
    tenant: paired.with.tenant,
    sender: peer,
    now: isoTime(yield* Clock.currentTimeMillis),
    device: companion === undefined ? undefined : { backendId: companion.backend_id, keys, expiresAt: companion.expires_at },
    revoked: yield* context.tables.isRevoked(peer),
    companion: () => undefined,
    settings: yield* context.tables.settings,
    settingsSeq: yield* context.tables.settingsSeq,
    greatestLamport: context.clock.seen,
    unseal: (envelope) => openData(envelope, context.dataKeys).pipe(
      Result.mapError((failure) => failure._tag === "KeyMissing" ? `the data is sealed under ${failure.kid}, which is not this tenant's key` : failure.why))
  }
})
