import { Context, Effect, Layer, Option, Redacted } from "effect"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { localLimits, localTickets } from "../../src/local/visitors.ts"
import { type AdvisorKey, type AdvisorOptions, makeAdvisor } from "../../src/local/advisor.ts"
import { keepCountingTelemetry, makeTelemetry, makeTelemetrySink } from "../../src/local/telemetry.ts"
import { makeMemoryLog } from "../../src/nats/memoryLog.ts"
import { nonces } from "../../src/security/NonceCache.ts"
import { Advisor } from "../../streams/Advisor.ts"
import { Nonces, Tickets, Tools } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { Alerts } from "../../streams/alerts.ts"
import { Observing } from "../../streams/Observing.ts"
import { TenantData } from "../../streams/TenantData.ts"
import { Limits } from "../../streams/RateLimits.ts"
import { TelemetryStore } from "../../streams/TelemetryStore.ts"
import { sourceOf } from "../property/projections/rig.ts"

/** A keychain of one entry. */
export const keyInMemory = (): AdvisorKey => {
  let held: Redacted.Redacted<string> | undefined
  return {
    get: Effect.sync(() => Option.fromUndefinedOr(held)),
    set: (key) => Effect.sync(() => { held = Redacted.value(key) === "" ? undefined : key })
  }
}

/** The peer telemetry is streamed as. */
export const ownPeer = "peer_0123456789abcdef"

/** Telemetry, limits, tickets and advisor of a local backend, real but for store and keychain; no tools. */
export const visitorsLayer = (advisor: AdvisorOptions | undefined) => Layer.effectContext(Effect.gen(function*() {
  const sqlite = yield* Sqlite
  const parts = {
    out: yield* makeMemoryLog("TELEMETRY_OUT"),
    projections: yield* Projections,
    source: sourceOf(1),
    paired: () => ({ peer_id: ownPeer, tenant: "t_aaaaaaaaaaaaaaaa" }),
    isRevoked: () => Effect.succeed(false),
    emptied: Effect.never
  }
  yield* Effect.forkScoped(keepCountingTelemetry(parts, (query) => query.pipe(Effect.provideService(Sqlite, sqlite), Effect.orDie)))
  const telemetry = makeTelemetry(parts)
  const sink = yield* makeTelemetrySink(telemetry)
  yield* Effect.forkScoped(sink.run)
  const refusal = new CommandFailed({ status: 404, type: "unknown-tenant", hint: "See `maestra hosted peers`." })
  return Context.make(TelemetryStore, telemetry).pipe(
    Context.add(Observing, {
      all: () => Effect.succeed([]),
      metrics: () => Effect.fail(refusal),
      debug: () => Effect.fail(refusal),
      checks: Effect.succeed([]),
      gauges: Effect.succeed([{ name: "maestra_peers" as const, labels: {}, value: 2 }]),
      presence: () => Effect.succeed({ total: 2, online: 1 })
    }),
    Context.add(Alerts, { list: Effect.succeed({ alerts: [], silences: [] }), silence: ({ kind, subject }) => Effect.succeed({ kind, subject, until: "2026-11-22T10:00:00.000Z" }) }),
    Context.add(Limits, localLimits()),
    Context.add(TenantData, { userOf: () => Effect.succeed("ada"), erase: () => Effect.succeed({ tenant: null, erased_at: "2026-11-22T10:00:00.000Z", messages: 0, keys_destroyed: true, devices: [], to_do: null, receipt: null }), expire: () => Effect.succeed({ conversations: 0, events: 0 }) }),
    Context.add(Tickets, localTickets()),
    Context.add(Nonces, nonces()),
    Context.add(Advisor, makeAdvisor(advisor, { key: keyInMemory(), sink })),
    Context.add(Tools, { grant: () => Effect.fail(refusal), revoke: () => Effect.fail(refusal) }))
}))
