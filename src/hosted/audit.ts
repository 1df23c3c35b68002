import { Duration, Effect, Option, Result, Schedule, Stream } from "effect"
import { Audit, type AuditPage } from "../../streams/Audit.ts"
import { CommandFailed, type Progress, StoreUnavailable } from "../../streams/Backend.ts"
import { noTenant, patterns, subjects } from "../../streams/subjects.ts"
import type { Append, AppendError, EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import { AuditCheck, type AuditEnd, emptyChain, endOf, linked, parseAudit, signedLink } from "../security/auditChain.ts"
import { makeAuditing, type Unlinked } from "../security/auditing.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { keysOfIdentity } from "../security/handovers.ts"

/** Whose signature ends each chain: as it is now, since its keys may be replaced. */
type AuditSigner = Pick<Signer, "identity" | "keyId" | "signObject">

/** The end of a tenant's chain, and the fence: the last sequence of its subjects. */
interface Place extends AuditEnd {
  readonly seq: number
}

/** Chains whose end is remembered; the least recently used goes first. */
const rememberedMax = 10_000
const retries = Schedule.min([Schedule.exponential("20 millis", 1.7).pipe(Schedule.jittered), Schedule.spaced(Duration.seconds(5))])

/**
 * `Audit` on the AUDIT stream, which nobody can delete from or purge. Each tenant's entries are one chain, fenced like
 * commits: of two processes that extend it at once one is refused, reads the new end, and goes on from there. And each ends
 * in a signed entry, so that whoever holds the hub's disk, and not the deployment's key, cannot write one anew.
 */
export const hostedAudit = Effect.fn("hostedAudit")(function*(log: EventLog, signer: AuditSigner) {
  const places = new Map<string | null, Place>()
  const auditing = yield* makeAuditing((group) => storeGroup(log, signer, places, group))
  return {
    run: auditing.run,
    service: Audit.of({
      record: auditing.record,
      count: auditing.count,
      read: (options) => read(log, options).pipe(Effect.mapError(() => new StoreUnavailable({ hint: "The audit does not answer right now; try again in a moment." }))),
      verify: verify(log, signer).pipe(Stream.mapError(() => new CommandFailed({ status: 503, type: "not-reachable", hint: "The audit does not answer right now; try again in a moment." })))
    })
  }
})

/** Store a group as one atomic batch. What the server did not answer is looked for before it is sent again. */
const storeGroup = Effect.fnUntraced(function*(log: EventLog, signer: AuditSigner, places: Map<string | null, Place>, group: ReadonlyArray<Unlinked>) {
  const tenants = [...new Set(group.map(({ tenant }) => tenant))]
  let inDoubt = false
  const attempt = Effect.gen(function*() {
    for (const tenant of tenants) if (!places.has(tenant)) keep(places, tenant, yield* placeOf(log, tenant))
    if (inDoubt && (yield* landed(log, group, places.get(group[0]!.tenant)!.seq))) return
    const { batch, ends } = yield* place(signer, places, group)
    const { first } = yield* log.append(batch)
    for (const [tenant, { at, ...end }] of ends) keep(places, tenant, { ...end, seq: first + at })
  })
  yield* attempt.pipe(
    Effect.tapError((error: AppendError) =>
      Effect.suspend(() => {
        inDoubt = inDoubt || error._tag === "LogUnavailable"
        // another process, or this one's lost answer, has moved them
        for (const tenant of tenants) places.delete(tenant)
        return error._tag === "LogFenced" ? Effect.void : Effect.logWarning("the audit cannot be written; trying again", { reason: error._tag })
      })),
    Effect.retry({ schedule: retries, while: ({ _tag }) => _tag !== "LogRefused" }),
    Effect.catch((error) => Effect.logError("audit entries the store will not take", { entries: JSON.stringify(group), error })))
})

/** The batch, and where each chain ends with it (`at`: which message of the batch that is). */
const place = Effect.fnUntraced(function*(signer: AuditSigner, places: ReadonlyMap<string | null, Place>, group: ReadonlyArray<Unlinked>) {
  const ends = new Map<string | null, AuditEnd & { readonly at: number }>()
  const lasts = new Map(group.map(({ tenant }, at) => [tenant, at]))
  const batch: Array<Append> = []
  for (const [at, entry] of group.entries()) {
    const { tenant, type } = entry
    const before = ends.get(tenant)
    const from = before ?? places.get(tenant)!
    const { bytes, end } = lasts.get(tenant) === at ? yield* signedLink(from, entry, signer) : linked(from, entry)
    ends.set(tenant, { ...end, at })
    const message = { subject: subjects.audit(tenant ?? undefined, type), data: bytes }
    batch.push(before === undefined ? { ...message, expectedLast: places.get(tenant)!.seq, expectedOn: subjects.auditTenant(tenant ?? undefined) } : message)
  }
  return { batch, ends }
})

const placeOf = (log: EventLog, tenant: string | null): Effect.Effect<Place, LogUnavailable> =>
  Effect.map(log.last(subjects.auditTenant(tenant ?? undefined)), Option.match({
    onNone: () => ({ ...emptyChain, seq: 0 }),
    // spoiled on the disk: the chain begins anew behind it, and the check names the place
    onSome: ({ data, seq }) => ({ ...Result.getOrElse(endOf(data), () => emptyChain), seq })
  }))

const keep = (places: Map<string | null, Place>, tenant: string | null, at: Place): void => {
  places.delete(tenant)
  places.set(tenant, at)
  if (places.size > rememberedMax) places.delete(places.keys().next().value!)
}

/** Whether the group is in the stream already: all of it or none, so its first entry tells. It is among the newest. */
const landed = (log: EventLog, group: ReadonlyArray<Unlinked>, end: number): Effect.Effect<boolean, LogUnavailable> =>
  end === 0
    ? Effect.succeed(false)
    : log.readRange({ from: Math.max(1, end - lookBackMax), through: end, filter: subjects.auditTenant(group[0]!.tenant ?? undefined) }).pipe(
      Stream.runFold(() => false, (found, batch) => found || batch.some(({ data }) => Result.match(parseAudit(data), { onFailure: () => false, onSuccess: ({ id }) => id === group[0]!.id }))))

/** How far before a chain's end an unanswered batch may lie: many processes' worth of what came after it. */
const lookBackMax = 10_000

const read = Effect.fnUntraced(function*(log: EventLog, { from, limit, tenant }: Parameters<Audit["Service"]["read"]>[0]): Effect.fn.Return<AuditPage, LogUnavailable> {
  const filter = tenant === undefined ? patterns.audit : subjects.auditTenant(tenant === noTenant ? undefined : tenant)
  const { firstSeq, lastSeq } = yield* log.info
  const stored = from === undefined ? yield* newest(log, filter, firstSeq, lastSeq, limit) : yield* oldest(log, filter, Number(from), lastSeq, limit)
  const more = from !== undefined && stored.length === limit
  return {
    entries: stored.flatMap(({ data }) => Result.match(parseAudit(data), { onFailure: () => [], onSuccess: (entry) => [entry] })),
    cursor: String(more ? stored.at(-1)!.seq + 1 : Math.max(lastSeq + 1, from === undefined ? 0 : Number(from)))
  }
})

const oldest = (log: EventLog, filter: string, from: number, through: number, limit: number) =>
  log.readRange({ from: Math.max(1, from), through, filter }).pipe(Stream.flattenIterable, Stream.take(limit), Stream.runCollect)

/** The last ones, however thin a tenant's entries are spread: look back ever further until there are enough. */
const newest = Effect.fnUntraced(function*(log: EventLog, filter: string, firstSeq: number, lastSeq: number, limit: number): Effect.fn.Return<ReadonlyArray<Stored>, LogUnavailable> {
  for (let back = limit;; back *= 8) {
    const from = Math.max(firstSeq, lastSeq - back + 1, 1)
    const found = from > lastSeq ? [] : yield* log.readRange({ from, through: lastSeq, filter }).pipe(Stream.flattenIterable, Stream.runCollect)
    if (found.length >= limit || from <= Math.max(1, firstSeq)) return found.slice(-limit)
  }
})

const verify = (log: EventLog, signer: AuditSigner): Stream.Stream<Progress, LogUnavailable> =>
  Stream.unwrap(Effect.map(log.info, ({ lastSeq }) => {
    const check = new AuditCheck(keysOfIdentity(signer.identity))
    return log.readRange({ from: 1, through: lastSeq }).pipe(
      Stream.map((batch): Progress => {
        for (const { data, seq, subject } of batch) {
          const tenant = subject.split(".")[1]
          check.read(data, seq, tenant === undefined || tenant === noTenant ? "" : tenant)
        }
        return { done: false, at: batch.at(-1)?.seq ?? 0, of: lastSeq }
      }),
      Stream.concat(Stream.suspend(() => Stream.succeed<Progress>({ done: true, at: lastSeq, of: lastSeq, result: check.result() }))))
  }))
