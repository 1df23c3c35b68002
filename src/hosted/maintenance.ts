import { Effect, Stream } from "effect"
import { stateDigest } from "../../projections/conversations/digest.ts"
import type { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { CommandFailed, type Maintenance, type Progress } from "../../streams/Backend.ts"
import type { Envelope } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/Opener.ts"
import { subjects } from "../../streams/subjects.ts"
import type { EventLog } from "../nats/EventLog.ts"
import { auditLog } from "../nats/auditLog.ts"
import { type AuthorEntry, AuthorKeys } from "../security/AuthorKeys.ts"
import { LogAudit } from "../security/LogAudit.ts"

export interface HostedMaintenanceContext {
  readonly log: EventLog
  readonly open: (tenant: string, envelope: Envelope) => OpenResult
  readonly hosted: AuthorEntry
  readonly projections: Projections["Service"]
  readonly cursor: string
  readonly reread: Effect.Effect<void>
  readonly sqlite: Sqlite["Service"]
}

const notNow = new CommandFailed({ status: 503, type: "not-reachable", hint: "the log does not answer right now; try again in a moment" })

/** Check a tenant's whole log from nothing but our own key, and build the tables again. */
export const maintainHosted = (context: HostedMaintenanceContext): Maintenance["Service"] => ({
  verify: (tenant) =>
    Stream.unwrap(Effect.gen(function*() {
      const audit = new LogAudit(new AuthorKeys(context.hosted), { open: context.open, isOwn: () => false })
      const { lastSeq } = yield* context.log.info.pipe(Effect.mapError(() => notNow))
      const digest = stateDigest(tenant).pipe(Effect.provideService(Sqlite, context.sqlite), Effect.map((digest) => ({ digest, tenant })), Effect.orDie)
      return auditLog(context.log, { through: lastSeq, filter: subjects.logTenant(tenant) }, audit, digest).pipe(Stream.mapError(() => notNow))
    })),
  rebuild: Stream.unwrap(Effect.gen(function*() {
    const of = (yield* context.projections.positions).get(context.cursor)?.seq ?? 0
    yield* context.projections.reset.pipe(Effect.mapError(({ hint }) => new CommandFailed({ status: 503, type: "not-stored", hint })))
    yield* context.reread
    return context.projections.changes.pipe(
      Stream.map((at): Progress => {
        const seq = Math.min(at.get(context.cursor)?.seq ?? 0, of)
        return { done: seq >= of, at: seq, of, ...(seq >= of ? { result: { events: of } } : {}) }
      }),
      Stream.takeUntil((progress) => progress.done))
  }))
})
