import { Effect, Layer, Option, SubscriptionRef } from "effect"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import type { Draft, Written } from "../../streams/Backend.ts"
import { streams } from "../../streams/definitions.ts"
import { defaults } from "../../streams/events/settings.ts"
import { subjects } from "../../streams/subjects.ts"
import { openParts, type Parts } from "../../src/hosted/Base.ts"
import { serveIngest } from "../../src/hosted/ingest.ts"
import type { MarkStore } from "../../src/hosted/LogMark.ts"
import type { OwnCommits } from "../../src/hosted/OwnCommits.ts"
import { ingestOf, keepMark, keepProjecting, openChains, ownOf } from "../../src/hosted/parts.ts"
import type { Connection } from "../../src/nats/Connection.ts"
import { memoryKeyValue } from "../../src/nats/keyValue.ts"
import { openMemoryLog } from "../../src/nats/memoryLog.ts"
import { syncingOnHosted } from "../../src/hosted/syncing.ts"
import type { Door } from "./companion.ts"
import { faultsOf } from "./faults.ts"
import { type Gateway, gatewayOn } from "./gateway.ts"
import type { Hub } from "./hub.ts"
import { hosted, storeKey } from "./identities.ts"
import { type Kernel, Process } from "./kernel.ts"
import { type Database, giveBack, sqliteOn, takeDatabase } from "./sqlite.ts"
import type { Weather } from "./weather.ts"
import type { Wiring } from "./wiring.ts"

interface World {
  readonly kernel: Kernel
  readonly hub: Hub
  readonly weather: Weather
  readonly wiring: Wiring
  /** Whether lightning strikes this backend now; it has crashed then. */
  readonly strike: (at: Hosted) => boolean
  /** A gateway wrote for somebody who signs nothing. */
  readonly toldAt: (at: Hosted, tenant: string, drafts: ReadonlyArray<Draft>, written: ReadonlyArray<Written>) => void
}

/** One of several hosted processes. The first one keeps the log's mark. */
export class Hosted {
  readonly name: string
  readonly number: number
  tables: Database = takeDatabase()
  skew = 0
  process: Process | undefined
  parts: (Parts & { readonly own: OwnCommits; readonly door: Door; readonly gateway: Gateway }) | undefined
  readonly #world: World

  constructor(world: World, number: number) {
    this.#world = world
    this.number = number
    this.name = `hosted${number}`
  }

  start(): void {
    const { hub, kernel, weather, wiring } = this.#world
    // a process that joined takes the log's epoch from where its owner writes it
    if (hub.unmarked && this.number > 0) return void kernel.after(100, () => { if (this.process === undefined) this.start() })
    const process = this.process = new Process(kernel, this.name, { skewMillis: () => this.skew, tickMillis: weather.tickMillis }, () => this.#world.strike(this))
    const pause = process.wait(1)
    const access = { answer: pause, wake: (resume: () => void) => process.post(resume) }
    const sqlite = wiring.sqlite(sqliteOn(this.tables, { pause }))
    const tables = Projections.layer(wiring.projections).pipe(Layer.provideMerge(Layer.succeed(Sqlite, sqlite)))
    const connection: Connection = {
      server: "hub",
      publish: () => Effect.void,
      request: () => Effect.never,
      up: SubscriptionRef.make(true).pipe(Effect.runSync),
      serve: ({ handler }) => Effect.andThen(Effect.sync(() => hub.servers.push({ process, handler })), Effect.never)
    }
    const marks: MarkStore = {
      load: Effect.andThen(pause, Effect.sync(() => hub.mark)),
      save: (mark) => Effect.andThen(pause, Effect.sync(() => { hub.mark = Option.some(mark) }))
    }
    process.supervise("start", Effect.gen({ self: this }, function*() {
      const parts = yield* openParts({
        identity: hosted.self,
        storeKey,
        deploymentId: "simulated",
        logs: [wiring.log(openMemoryLog(hub.log, { ...access, faults: faultsOf(process, weather, streams.log.name) }))],
        telemetryLog: openMemoryLog(hub.telemetry, access),
        auditLog: openMemoryLog(hub.audit, access),
        tenantStore: memoryKeyValue(openMemoryLog(hub.tenants, access), "TENANTS"),
        limitStore: memoryKeyValue(openMemoryLog(hub.limits, access), "RATES"),
        marks: this.number === 0 ? () => marks : undefined,
        connection,
        peers: {
          ensureConsumer: () => pause,
          moveConsumer: () => Effect.as(pause, false),
          countThrough: (_, tenant, seq) => Effect.andThen(pause, Effect.sync(() => hub.log.from(1, seq, subjects.logTenant(tenant)).length))
        },
        options: { limits: weather.limits, onBroken: (part) => Effect.sync(() => kernel.fail(0, `${this.name}: ${part} stopped`)) }
      })
      const chains = yield* openChains(parts)
      const ingest = ingestOf(parts, chains)
      process.supervise("projection", keepProjecting(parts, chains))
      process.supervise("committer", chains.committer.run)
      process.supervise("ingest", serveIngest(ingest))
      process.supervise("log mark", keepMark(parts))
      const own = yield* ownOf(parts, ingest)
      const syncing = syncingOnHosted(parts, ingest)
      const gateway = yield* gatewayOn({
        sqlite, syncing,
        write: (tenant, drafts) => Effect.tap(own.write(tenant, drafts), (written) => Effect.sync(() => this.#world.toldAt(this, tenant, drafts, written))),
        settled: Effect.suspend(() => parts.projections.settled("log", hub.log.size().lastSeq))
      })
      const door: Door = {
        commit: syncing.commit,
        settings: (tenant) => Effect.sync(() => parts.settings.get(tenant)?.settings ?? defaults),
        lamport: (tenant) => Effect.sync(() => parts.view.of(tenant).lamport)
      }
      this.parts = { ...parts, door, own, gateway }
      return yield* Effect.never
    }).pipe(Effect.scoped, Effect.provide(tables)))
  }

  crash(): void {
    this.process?.kill()
    this.process = this.parts = undefined
    this.tables.crash()
  }

  close(): void {
    this.process?.kill()
    giveBack(this.tables)
  }
}
