import { Clock, Effect, Schedule, Semaphore } from "effect"
import { v7 as uuidV7 } from "uuid"
import type { Draft, Written } from "../../streams/Backend.ts"
import { StoreUnavailable, WriteInvalid } from "../../streams/Backend.ts"
import type { EventType } from "../../streams/catalog.ts"
import { encode, type Opened, plain } from "../../streams/Envelope.ts"
import { commitEventsMax } from "../../streams/limits.ts"
import { logSubjectOf } from "../../streams/subjects.ts"
import { isoTime } from "../../streams/time.ts"
import type { AuthorKey } from "../security/AuthorKeys.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { idsDigest, parseCommit } from "../security/commit.ts"
import { digestOf } from "../security/digest.ts"
import { sealEnvelope } from "../security/envelopes.ts"
import type { DataKey } from "../security/sealing.ts"
import type { Admitted } from "../security/admit.ts"
import { extend, type IngestContext } from "./ingest.ts"

export interface OwnContext extends Pick<IngestContext, "heads" | "committer" | "offered" | "committed"> {
  readonly identity: Signer
  readonly keys: ReadonlyArray<AuthorKey>
  readonly dataKey: (tenant: string) => DataKey | undefined
  readonly greatestLamport: (tenant: string) => number
  /** The newest commit of any author that this process has read in the tenant's log: what we have seen. */
  readonly seen: (tenant: string) => { readonly log_seq: number; readonly head: string }
}

/** The hosted backend's own writes: commits by author `hosted`, in the same chain whichever process makes them. */
export interface OwnCommits {
  readonly write: (tenant: string, drafts: ReadonlyArray<Draft>) => Effect.Effect<ReadonlyArray<Written>, StoreUnavailable | WriteInvalid>
  /**
   * One event that holds only as long as nobody else writes to its conversation: fenced on the place of the last event
   * there. `undefined`: somebody did, or the log does not say; nothing more is tried.
   */
  readonly writeIf: (tenant: string, draft: Draft, expectedLast: number) => Effect.Effect<Written | undefined, WriteInvalid>
  /** Events of this author that the log lost, once more as they were: ids and stamps are theirs. In the order of their lamports. */
  readonly again: (tenant: string, events: ReadonlyArray<Opened>) => Effect.Effect<ReadonlyArray<Written>, StoreUnavailable | WriteInvalid>
}

/** Another process may have been first on the chain; the next attempt stands on what it wrote. */
const retries = Schedule.max([Schedule.exponential("5 millis", 1.5).pipe(Schedule.jittered), Schedule.recurs(12)])

export const makeOwnCommits = Effect.fn("OwnCommits.make")(function*(context: OwnContext) {
  const turns = new Map<string, Semaphore.Semaphore>()
  const turnOf = (tenant: string) => {
    const held = turns.get(tenant) ?? Semaphore.makeUnsafe(1)
    turns.set(tenant, held)
    return held
  }

  const attempt = Effect.fnUntraced(function*(tenant: string, make: Make, ids: ReadonlyArray<string>, expectedLast?: number) {
    const key = context.dataKey(tenant)
    const { identity, keys } = context
    const source = identity.identity.backend_id
    const { head } = context.heads.peek(tenant, "hosted") ?? (yield* context.heads.read(tenant, "hosted", keys).pipe(Effect.mapError(unavailable)))
    const millis = yield* Clock.currentTimeMillis
    const time = isoTime(millis)
    const lamport = context.greatestLamport(tenant)
    const made = make({ source, time, lamport })
    if (key === undefined && !made.every(isPlain)) return yield* new WriteInvalid({ why: `there is no tenant ${tenant}`, hint: "Enrol the user first." })
    const sealed = made.map((event) => {
      const { envelope, fact } = event
      const unsealed = key === undefined || isPlain(event)
      const bytes = unsealed ? encode(envelope) : sealEnvelope(envelope, key)
      const opened: Opened = { envelope: unsealed ? envelope : { ...envelope, datacontenttype: "application/jose" }, fact }
      return { subject: logSubjectOf(tenant, fact.type satisfies EventType, envelope.subject), bytes, hash: digestOf(bytes), opened, ...(expectedLast === undefined ? {} : { expectedLast }) }
    })
    const from = (head?.to ?? 0) + 1
    const record = yield* identity.signCommit({
      author: "hosted",
      sync_id: uuidV7(),
      journal: head?.journal ?? uuidV7(),
      from,
      to: from + sealed.length - 1,
      ids: idsDigest(ids),
      hashes: sealed.map(({ hash }) => hash),
      prev: head?.digest ?? "",
      seen: context.seen(tenant),
      time
    })
    const parsed = yield* Effect.fromResult(parseCommit(record)).pipe(Effect.orDie)
    const admitted: Admitted = { events: sealed, greatestLamport: Math.max(lamport, sealed.at(-1)?.opened.envelope.lamport ?? 0) }
    const answer = yield* extend(context, tenant, parsed, admitted, keys)
    if (answer.verdict === "committed") {
      const first = answer.log_seq - sealed.length
      return sealed.map(({ opened: { envelope } }, index): Written => ({
        id: envelope.id,
        stamp: { lamport: envelope.lamport, time: envelope.time, source },
        position: first + index
      }))
    }
    if (answer.verdict === "invalid") return yield* new WriteInvalid({ why: answer.why, hint: "Make the write smaller." })
    if (answer.verdict === "chain_mismatch") yield* context.heads.read(tenant, "hosted", keys).pipe(Effect.mapError(unavailable))
    return yield* unavailable(answer.verdict)
  })

  const commit = (tenant: string, ids: ReadonlyArray<string>, make: Make) =>
    attempt(tenant, make, ids).pipe(
      Effect.retry({ schedule: retries, while: (error) => error._tag === "StoreUnavailable" }),
      turnOf(tenant).withPermits(1))

  return {
    writeIf: (tenant, draft, expectedLast) =>
      Effect.suspend(() => onceWith((ids) => attempt(tenant, drafted([draft], ids), ids, expectedLast))).pipe(turnOf(tenant).withPermits(1)),
    write: (tenant, drafts) =>
      Effect.suspend(() => {
        if (drafts.length === 0) return Effect.succeed([])
        if (drafts.length > commitEventsMax) return Effect.fail(new WriteInvalid({ why: `${drafts.length} writes at once`, hint: `Send ${commitEventsMax} at most.` }))
        // the ids stay the same over the attempts, so a commit whose answer got lost is found again by them
        const ids = drafts.map((draft) => draft.id ?? uuidV7())
        return commit(tenant, ids, drafted(drafts, ids))
      }),
    again: (tenant, events) => commit(tenant, events.map(({ envelope }) => envelope.id), () => events)
  } satisfies OwnCommits
})

/** Of a tenant that was erased there is no key left to open anything with. */
const isPlain = ({ fact }: Opened): boolean => fact.type === "tenant.erased"

/** One try, with a fresh id. */
const onceWith = (attempt: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Written>, StoreUnavailable | WriteInvalid>) =>
  attempt([uuidV7()]).pipe(Effect.map(([written]) => written), Effect.catchTag("StoreUnavailable", () => Effect.undefined))

/** New events, their ids chosen before: a commit whose answer got lost is found again by them. */
const drafted = (drafts: ReadonlyArray<Draft>, ids: ReadonlyArray<string>): Make => ({ lamport, source, time }) =>
  drafts.map((draft, index) => ({ fact: draft.fact, envelope: plain(draft.fact, { ...draft, id: ids[index]!, source, time, lamport: lamport + 1 + index }) }))

/** The events of a commit, given how the log stands as it is made. */
type Make = (now: { readonly source: string; readonly time: string; readonly lamport: number }) => ReadonlyArray<Opened>

const unavailable = (_: unknown) => new StoreUnavailable({ hint: "The log does not answer right now; try again in a moment." })
