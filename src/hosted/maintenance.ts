import { Effect, Stream } from "effect"
import { stateDigest } from "../../projections/conversations/digest.ts"
import type { Positions, Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { CommandFailed, type Maintenance, type Progress } from "../../streams/Backend.ts"
import type { Envelope } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import { subjects } from "../../streams/subjects.ts"
import type { EventLog } from "../nats/EventLog.ts"
import { auditLog } from "../nats/auditLog.ts"
import { type AuthorEntry, AuthorKeys } from "../security/AuthorKeys.ts"
import { LogAudit } from "../security/LogAudit.ts"

export interface HostedMaintenanceContext {
  readonly logOf: (tenant: string) => EventLog
  readonly open: (tenant: string, envelope: Envelope) => OpenResult
  readonly hosted: AuthorEntry
  readonly projections: Projections["Service"]
  /** The tables' positions, one for each partition of the log. */
  readonly cursors: ReadonlyArray<string>
  readonly reread: Effect.Effect<void>
  readonly sqlite: Sqlite["Service"]
  /** Something in the log is not as it should be: whoever watches it is told to look. */
  readonly doubted: Effect.Effect<void>
}

const notNow = new CommandFailed({ status: 503, type: "not-reachable", hint: "The log does not answer right now; try again in a moment." })

/** Check a tenant's whole log from nothing but our own key, and build the tables again. */
export const maintainHosted = (context: HostedMaintenanceContext): Maintenance["Service"] => ({
  verify: (tenant) =>
    Stream.unwrap(Effect.gen(function*() {
      const audit = new LogAudit(new AuthorKeys(context.hosted), { open: context.open, isOwn: () => false })
      const { lastSeq } = yield* context.logOf(tenant).info.pipe(Effect.mapError(() => notNow))
      const digest = stateDigest(tenant).pipe(Effect.provideService(Sqlite, context.sqlite), Effect.map((digest) => ({ digest, tenant })), Effect.orDie)
      return auditLog(context.logOf(tenant), { through: lastSeq, filter: subjects.logTenant(tenant) }, audit, digest).pipe(
        Stream.tap(({ result }) => result?.["ok"] === false ? context.doubted : Effect.void),
        Stream.mapError(() => notNow))
    })),
  rebuild: Stream.unwrap(Effect.gen(function*() {
    const before = yield* context.projections.positions
    const sum = (at: Positions) => context.cursors.reduce((all, cursor) => all + Math.min(at.get(cursor)?.seq ?? 0, before.get(cursor)?.seq ?? 0), 0)
    const of = sum(before)
    yield* context.projections.reset.pipe(Effect.mapError(({ hint }) => new CommandFailed({ status: 503, type: "not-stored", hint })))
    yield* context.reread
    return context.projections.changes.pipe(
      Stream.map((now): Progress => {
        const at = sum(now)
        return { done: at >= of, at, of, ...(at >= of ? { result: { events: of } } : {}) }
      }),
      Stream.takeUntil((progress) => progress.done))
  }))
})
