import { Effect, Option, Stream, SubscriptionRef } from "effect"
import type { Projections } from "../../projections/runner.ts"
import { CommandFailed, type Maintenance, type Progress, selfTenant } from "../../streams/Backend.ts"
import { auditLog } from "../nats/auditLog.ts"
import type { EventLog, LogUnavailable } from "../nats/EventLog.ts"
import { AuthorKeys } from "../security/AuthorKeys.ts"
import { type DataKeys, openEnvelope } from "../security/envelopes.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import { LogAudit } from "../security/LogAudit.ts"
import { journalCursor } from "./journalLoop.ts"
import { logCursor } from "./mirrorLoop.ts"
import type { State } from "./State.ts"
import { bump } from "./State.ts"
import type { Tables } from "./Tables.ts"

export interface MaintenanceContext {
  readonly state: State
  readonly journal: EventLog
  readonly mirror: () => EventLog | undefined
  readonly source: string
  readonly dataKeys: DataKeys
  readonly projections: Projections["Service"]
  readonly tables: Tables
}

/** What the tables saw nothing of when they read it has happened to the copy since: fetch it again. */
const mendCopy = Effect.fnUntraced(function*({ state, tables }: MaintenanceContext, audit: LogAudit) {
  const named = yield* tables.problemPlaces
  if (audit.result().problems.every(({ seq }) => named.has(seq))) return
  yield* Effect.logWarning("the mirror is damaged; fetching it again")
  yield* bump(state.mirrorWanted)
})

const unavailable = ({ stream }: LogUnavailable) => new CommandFailed({ status: 503, type: "not-reachable", hint: `${stream} does not answer right now; try again in a moment.` })

/** Check the mirror from its beginning, and build the tables again from journal and mirror. */
export const maintainLocal = (context: MaintenanceContext): Maintenance["Service"] => ({
  verify: () =>
    Stream.unwrap(Effect.gen(function*() {
      const held = SubscriptionRef.getUnsafe(context.state.paired)
      const mirror = context.mirror()
      if (mirror === undefined || Option.isNone(held)) {
        return yield* new CommandFailed({ status: 409, type: "not-paired", hint: "This machine is not paired: there is no shared log to verify." })
      }
      const { with: paired } = held.value
      const audit = new LogAudit(
        new AuthorKeys({ backendId: paired.hosted.backend_id, keys: keysOfIdentity(paired.hosted) }),
        { open: (_, envelope) => openEnvelope(envelope, context.dataKeys), isOwn: () => false })
      const { lastSeq } = yield* mirror.info
      const digest = context.tables.digest.pipe(Effect.map((digest) => ({ digest, tenant: selfTenant })))
      return auditLog(mirror, { through: lastSeq }, audit, digest).pipe(Stream.tap(({ result }) => result?.["ok"] === false ? mendCopy(context, audit) : Effect.void))
    })).pipe(Stream.mapError((error) => error._tag === "LogUnavailable" ? unavailable(error) : error)),
  rebuild: Stream.unwrap(Effect.gen(function*() {
    const journalEnd = (yield* context.journal.info).lastSeq
    const mirror = context.mirror()
    const before = (yield* context.projections.positions).get(logCursor)?.seq ?? 0
    const mirrorEnd = mirror === undefined ? 0 : before
    yield* context.projections.reset
    yield* bump(context.state.reread)
    const of = journalEnd + mirrorEnd
    return context.projections.changes.pipe(
      Stream.map((at): Progress => {
        const done = Math.min(at.get(journalCursor)?.seq ?? 0, journalEnd) + Math.min(at.get(logCursor)?.seq ?? 0, mirrorEnd)
        return { done: done >= of, at: done, of, ...(done >= of ? { result: { events: of } } : {}) }
      }),
      Stream.takeUntil((progress) => progress.done))
  })).pipe(Stream.mapError((error) => error._tag === "LogUnavailable" ? unavailable(error) : new CommandFailed({ status: 503, type: "not-stored", hint: error.hint })))
})
