import { Effect, Layer, Option, Redacted, SubscriptionRef } from "effect"
import { eventIdOf } from "../../projections/ledger.ts"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import type { Draft, Written } from "../../streams/Backend.ts"
import { relayConsumer, streams, telemetryConsumer } from "../../streams/definitions.ts"
import { openParts } from "../../src/local/Base.ts"
import { journalCursor, projectJournal } from "../../src/local/journalLoop.ts"
import { runLinked } from "../../src/local/linked.ts"
import type { Paired } from "../../src/local/Pairing.ts"
import type { LeafLink } from "../../src/nats/leafLink.ts"
import { openMemoryLog } from "../../src/nats/memoryLog.ts"
import { emptyImage, makeMemoryStore, type MemoryImage, type MemoryStore } from "../../src/nats/memoryStore.ts"
import type { ServerState } from "../../src/nats/ServerProcess.ts"
import { syncingOnLocal } from "../../src/local/syncing.ts"
import type { Signer } from "../../src/security/BackendIdentity.ts"
import { fromBase64url } from "../../src/security/digest.ts"
import { peerIdOf } from "../../src/security/peerId.ts"
import type { CompanionStore } from "../../src/local/companions.ts"
import type { Door } from "./companion.ts"
import { connectionOf, Feed, type Hub, type Machine } from "./hub.ts"
import { registeredAt, registrationEnds, hosted, type Tenant, type Who, whoIs } from "./identities.ts"
import { type Kernel, Process } from "./kernel.ts"
import { faultsOf } from "./faults.ts"
import { type Gateway, gatewayOn } from "./gateway.ts"
import { type Database, type DatabaseCopy, giveBack, sqliteOn, takeDatabase } from "./sqlite.ts"
import type { Weather } from "./weather.ts"
import type { Wiring } from "./wiring.ts"

/** What a copy of a data directory holds. */
export interface LocalCopy {
  readonly journal: MemoryImage
  readonly mirror: MemoryImage | undefined
  readonly journals: ReadonlyArray<string>
  readonly paired: Paired
  readonly tables: DatabaseCopy
}

export type LocalParts = Effect.Success<ReturnType<typeof openParts>>

/** Told of what a local does, by those who watch over it. */
export interface LocalWatch {
  readonly journalWritten: (local: Local) => void
  readonly sending: (local: Local, commit: Uint8Array) => void
  readonly started: (local: Local) => void
  /** A gateway here wrote for somebody who signs nothing. */
  readonly told: (local: Local, drafts: ReadonlyArray<Draft>, written: ReadonlyArray<Written>) => void
  /** It registers again. Answers whether hosted took it. */
  readonly renewing: (local: Local) => Effect.Effect<boolean>
}

interface World {
  readonly kernel: Kernel
  readonly hub: Hub
  readonly weather: Weather
  readonly wiring: Wiring
  /** Whether lightning strikes this backend now; it has crashed then. */
  readonly strike: (at: Local) => boolean
  readonly watch: LocalWatch
}

/** One machine with a local backend: its disk, its link, and the process that runs now, if any. */
export class Local {
  readonly name: string
  readonly tenant: Tenant
  readonly number: number
  who: Who
  /** New keys that hosted has not taken yet: kept over a restart, and in force when it has. */
  prepared: Who | undefined
  rotated = false
  /** What its sessions are signed with. */
  readonly secret: Uint8Array
  readonly feed: Feed
  readonly machine: Machine
  journal: MemoryStore
  paired: Paired
  tables: Database = takeDatabase()
  linkUp = true
  /** Somebody began to shut it out; it was, and may not come back. */
  revoking = false
  revoked = false
  /** Milliseconds its clock is wrong by. */
  skew = 0
  process: Process | undefined
  /** Set while the backend answers. */
  parts: LocalParts & { readonly sqlite: Sqlite["Service"]; readonly door: Door; readonly gateway: Gateway } | undefined
  readonly #telemetry: MemoryStore
  #journals: ReadonlyArray<string> = []
  readonly #companions: CompanionStore
  #link: LocalParts["link"] | undefined
  #starts = 0
  /** First sequence of the journal that is not on the disk yet. */
  #unsyncedFrom = Infinity
  readonly #world: World

  /** `secret`: of a machine that joins; the others were there from the beginning. */
  constructor(world: World, number: number, tenant: Tenant, log: { readonly id: string; readonly epoch: number }, secret?: Uint8Array) {
    const { hub, kernel, weather } = this.#world = world
    this.name = `local${number}`
    this.number = number
    this.tenant = tenant
    this.who = whoIs(number)
    const { backend_id } = this.who.self.identity
    const peer = peerIdOf(tenant.id, backend_id)
    this.secret = secret ?? fromBase64url(tenant.record.devices.find((device) => device.backend_id === backend_id)!.secret)!
    this.machine = { tenant: tenant.id, peer, reachable: () => this.linkUp && this.process?.alive === true }
    this.feed = new Feed(kernel, hub, this.machine, weather)
    hub.feeds.set(peer, this.feed)
    this.journal = this.#open(emptyImage(kernel.now))
    // hosted knows them: they registered on both sides
    const mine = tenant.record.devices.filter(({ companion_of }) => companion_of === this.who.self.identity.backend_id)
      .map(({ backend_id, expires_at, identity, peer_id }) => ({ backend_id, expires_at, identity, peer_id }))
    this.#companions = { of: (peer) => mine.find(({ peer_id }) => peer_id === peer), all: () => mine, keep: () => Effect.void, forgetAll: Effect.void }
    this.#telemetry = makeMemoryStore(streams.telemetryOut.name, emptyImage(kernel.now))
    this.paired = {
      with: {
        hosted_url: "https://hosted.example", hosted: hosted.self.identity, user_id: tenant.record.user_id, tenant: tenant.id, peer_id: peer,
        expires_at: registrationEnds, renewed_at: registeredAt, leaf_urls: ["tls://hosted.example"], log: streams.log.name, log_id: log.id, log_epoch: log.epoch
      },
      secrets: { secret: Redacted.make(new Uint8Array(32)), previous: [], transportSeed: Redacted.make(""), dataKeys: [tenant.key] }
    }
  }

  /** As its keys are now. */
  get #signer(): Signer {
    const held = () => this.who.self
    return {
      get identity() { return held().identity },
      get keyId() { return held().keyId },
      signCommit: (fields) => held().signCommit(fields),
      sign: (context, text) => held().sign(context, text),
      signObject: (context, object) => held().signObject(context, object),
      prove: (challenge) => held().prove(challenge),
      freshProof: (peer, request) => held().freshProof(peer, request),
      unwrap: (jwe) => held().unwrap(jwe)
    }
  }

  #open(image: MemoryImage): MemoryStore {
    const store = makeMemoryStore(streams.journal.name, image)
    store.waiting.add(() => this.#world.watch.journalWritten(this))
    return store
  }

  start(): void {
    const { hub, kernel, watch, weather, wiring } = this.#world
    const process = this.process = new Process(kernel, this.name, { skewMillis: () => this.skew, tickMillis: weather.tickMillis }, () => this.#world.strike(this))
    const restarts = this.#starts++
    const disk = process.wait(1)
    const sqlite = wiring.sqlite(sqliteOn(this.tables, { pause: disk }))
    const tables = Projections.layer(wiring.projections).pipe(Layer.provideMerge(Layer.succeed(Sqlite, sqlite)))
    const connection = connectionOf(kernel, hub, this.machine, process, weather)
    const journal = openMemoryLog(this.journal, { answer: disk, wake: (resume) => process.post(resume), faults: faultsOf(process, weather, streams.journal.name) })
    const telemetryOut = openMemoryLog(this.#telemetry, { answer: disk, wake: (resume) => process.post(resume) })
    process.supervise("start", Effect.gen({ self: this }, function*() {
      const link = this.#link = yield* SubscriptionRef.make<LeafLink>({ up: this.linkUp, since: kernel.now })
      const parts = yield* openParts({
        source: this.who.self.identity.backend_id,
        journalLog: wiring.journal(journal, (from, millis) => this.#notSynced(from, millis)),
        telemetryOut,
        telemetryCursor: wiring.telemetryCursor(yield* telemetryOut.openCursor(telemetryConsumer.name)),
        cursor: wiring.cursor(yield* journal.openCursor(relayConsumer.name)),
        journalsStore: {
          load: Effect.andThen(disk, Effect.sync(() => this.#journals)),
          save: (ids) => Effect.andThen(disk, Effect.sync(() => { this.#journals = ids }))
        },
        link,
        known: Option.some(this.paired),
        paused: false
      }, () => Effect.void)
      const linked = {
        ...parts,
        self: this.#signer,
        connection: { ...connection, request: (...args: Parameters<typeof connection.request>) => Effect.suspend(() => {
          if (args[0].endsWith(".commit")) watch.sending(this, args[1])
          return connection.request(...args)
        }) },
        mirror: this.feed.mirrorFor(process),
        companions: this.#companions,
        server: {
          state: yield* SubscriptionRef.make<ServerState>({ _tag: "running", pid: 1, clientPort: 1, ports: { client: 1 }, restarts }),
          lastLines: Effect.succeed([])
        },
        store: { save: (paired: Paired) => Effect.andThen(disk, Effect.sync(() => { this.paired = paired })) },
        // over HTTP, whatever the link does
        renew: watch.renewing(this),
        keepRegistered: Effect.never,
        leave: Effect.void,
        quarantined: () => Effect.void
      }
      process.supervise("journal", parts.journal.run)
      process.supervise("journal projection", projectJournal(parts.reading))
      process.supervise("link", runLinked(linked, () => {}))
      this.feed.reconnect()
      const syncing = syncingOnLocal({ ...linked, mirror: () => linked.mirror.log })
      const gateway = yield* gatewayOn({
        sqlite, syncing,
        write: (_, drafts) => Effect.tap(parts.journal.write(drafts), (written) => Effect.sync(() => watch.told(this, drafts, written))),
        settled: Effect.suspend(() => parts.projections.settled(journalCursor, parts.journal.acknowledged()))
      })
      const door: Door = {
        commit: syncing.commit,
        settings: () => parts.tables.settings,
        lamport: () => Effect.sync(() => parts.clock.seen)
      }
      this.parts = { ...parts, door, sqlite, gateway }
      watch.started(this)
      return yield* Effect.never
    }).pipe(Effect.scoped, Effect.provide(tables)))
  }

  /** Everything that runs here stops at once. `machine`: what was not synced is gone too. */
  crash(): void {
    this.process?.kill()
    this.process = this.parts = this.#link = undefined
    this.tables.crash()
    this.feed.crash()
    const { lastSeq } = this.journal.size()
    this.journal = this.#open(this.journal.image(Math.min(lastSeq, this.#unsyncedFrom - 1)))
    this.#unsyncedFrom = Infinity
  }

  #notSynced(from: number, millis: number): void {
    this.#unsyncedFrom = Math.min(this.#unsyncedFrom, from)
    this.#world.kernel.after(millis, () => { this.#unsyncedFrom = Infinity })
  }

  setLink(up: boolean): void {
    if (this.linkUp === up || this.revoked) return
    this.linkUp = up
    if (up) this.feed.reconnect()
    if (this.#link !== undefined) this.process?.run(SubscriptionRef.set(this.#link, { up, since: this.#world.kernel.now }), () => {})
  }

  /** A writer's own words are in the tables: what it reads next has them. */
  get settled(): Effect.Effect<void> {
    const { journal, projections } = this.parts!
    return Effect.suspend(() => projections.reached(journalCursor, journal.acknowledged()))
  }

  /** Telemetry events that hosted has not said it stored. */
  get untold(): number {
    return this.#telemetry.size().lastSeq - (this.#telemetry.positions.get(telemetryConsumer.name) ?? 0)
  }

  /** Events that its tables say stay here for good. */
  get withheld(): ReadonlySet<string> {
    return new Set(this.tables.statement("select lower(hex(id)) as id from event where withheld is not null").all().map(({ id }) => eventIdOf(String(id))))
  }

  copy(): LocalCopy {
    return { journal: this.journal.image(), mirror: this.feed.mirror?.image(), journals: this.#journals, paired: this.paired, tables: this.tables.copy() }
  }

  /** The data directory as it was once. Call it while nothing runs here. */
  putBack(copy: LocalCopy): void {
    this.journal = this.#open(copy.journal)
    this.feed.mirror = copy.mirror === undefined ? undefined : makeMemoryStore("MIRROR", copy.mirror)
    this.#journals = copy.journals
    this.paired = copy.paired
    this.tables.putBack(copy.tables)
  }

  close(): void {
    this.process?.kill()
    giveBack(this.tables)
  }
}
