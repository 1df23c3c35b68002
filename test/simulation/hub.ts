import { Duration, Effect, Option, SubscriptionRef } from "effect"
import { mirrorName, streams } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import type { Mark } from "../../src/hosted/LogMark.ts"
import { type Connection, NoResponders, type Request, RequestTimedOut } from "../../src/nats/Connection.ts"
import { LogUnavailable } from "../../src/nats/EventLog.ts"
import { openMemoryLog } from "../../src/nats/memoryLog.ts"
import { emptyImage, makeMemoryStore, type MemoryImage, type MemoryStore } from "../../src/nats/memoryStore.ts"
import type { Mirror } from "../../src/nats/mirror.ts"
import type { Kernel, Process } from "./kernel.ts"
import { lateLog } from "./lateLog.ts"
import type { Weather } from "./weather.ts"

interface Server {
  readonly process: Process
  readonly handler: (request: Request) => Effect.Effect<Uint8Array>
}

/** The hosted side's nats-server: the log, the tenant store, the mark beside them, and what it does for each peer. */
export class Hub {
  log: MemoryStore
  tenants: MemoryStore
  readonly telemetry: MemoryStore
  readonly audit: MemoryStore
  readonly limits: MemoryStore
  mark: Option.Option<Mark> = Option.none()
  /** The log was put back, and whoever keeps the mark has not looked at it yet. */
  unmarked = false
  readonly servers: Array<Server> = []
  readonly feeds = new Map<string, Feed>()
  readonly #watchers: Array<(store: MemoryStore) => void> = []

  constructor(kernel: Kernel) {
    this.log = makeMemoryStore(streams.log.name, emptyImage(kernel.now))
    this.tenants = makeMemoryStore("KV_TENANTS", emptyImage(kernel.now), { newestOnly: true })
    this.telemetry = makeMemoryStore(streams.telemetry.name, emptyImage(kernel.now))
    this.audit = makeMemoryStore(streams.audit.name, emptyImage(kernel.now))
    this.limits = makeMemoryStore("KV_RATES", emptyImage(kernel.now), { newestOnly: true })
    this.#watch()
  }

  /** Called after every write to the log, whoever made it. */
  watch(watcher: (store: MemoryStore) => void): void {
    this.#watchers.push(watcher)
  }

  #watch(): void {
    this.log.waiting.add(() => {
      for (const watcher of this.#watchers) watcher(this.log)
      for (const feed of this.feeds.values()) feed.pump()
    })
  }

  copy(): HubCopy {
    return { log: this.log.image(), floors: new Map([...this.feeds].map(([peer, { floor }]) => [peer, floor])) }
  }

  /** The store as it was once. Whoever is connected must have been stopped before. */
  putBack({ floors, log }: HubCopy): void {
    this.log = makeMemoryStore(streams.log.name, log)
    this.#watch()
    for (const [peer, feed] of this.feeds) feed.reconnect(floors.get(peer) ?? 0)
  }
}

export interface HubCopy {
  readonly log: MemoryImage
  readonly floors: ReadonlyMap<string, number>
}

/** A local backend's machine as the hub sees it. */
export interface Machine {
  readonly tenant: string
  readonly peer: string
  /** The link is up and the machine runs. */
  readonly reachable: () => boolean
}

/** Messages delivered to a mirror in one go at most. */
const deliveredMax = 20

/**
 * The durable consumer of one peer and the mirror it feeds. As seen on the real server: a mirror that was made anew
 * goes on at the hub's ack floor, says nothing of what it lacks, and starts at 1 only when it is told to.
 */
export class Feed {
  /** The mirror's store on the machine; none: there is no mirror. */
  mirror: MemoryStore | undefined
  floor = 0
  /** The peer was shut out, and its consumer deleted. */
  closed = false
  #sent = 0
  /** What is under way when the link goes down, or the mirror goes, arrives nowhere. */
  #connection = 0
  #busy = false
  readonly #kernel: Kernel
  readonly #hub: Hub
  readonly #machine: Machine
  readonly #weather: Weather

  constructor(kernel: Kernel, hub: Hub, machine: Machine, weather: Weather) {
    this.#kernel = kernel
    this.#hub = hub
    this.#machine = machine
    this.#weather = weather
  }

  /** The link, the machine or the hub went and came. Delivery goes on behind what was acknowledged. */
  reconnect(floor = this.floor): void {
    this.#connection++
    this.floor = this.#sent = floor
    this.#busy = false
    this.pump()
  }

  pump(): void {
    if (this.#busy || this.closed || this.mirror === undefined || !this.#machine.reachable()) return
    const next = this.#hub.log.from(this.#sent + 1, Number.MAX_SAFE_INTEGER, subjects.logTenant(this.#machine.tenant))
      .slice(0, 1 + this.#kernel.dice.below(deliveredMax))
    const last = next.at(-1)
    if (last === undefined) return
    this.#busy = true
    this.#onTheWay(() => {
      this.#busy = false
      this.mirror?.copy(next)
      this.#sent = last.seq
      this.#onTheWay(() => { this.floor = Math.max(this.floor, last.seq) })
      this.pump()
    })
  }

  #onTheWay(arrive: () => void): void {
    const connection = this.#connection
    this.#kernel.after(this.#weather.latency(), () => {
      if (connection === this.#connection && this.#machine.reachable()) arrive()
    })
  }

  #create(): void {
    this.mirror = makeMemoryStore(mirrorName, emptyImage(this.#kernel.now))
    this.reconnect()
  }

  /** The mirror as a process on the machine manages it. */
  mirrorFor(process: Process): Mirror {
    const away = new LogUnavailable({ stream: mirrorName, cause: new Error("unreachable") })
    const pause = process.wait(1)
    const open = Effect.suspend(() => this.mirror === undefined ? Effect.fail(away) : Effect.succeed(openMemoryLog(this.mirror, { answer: pause, wake: (resume) => process.post(resume) })))
    return {
      log: lateLog(mirrorName, open),
      ensure: Effect.andThen(pause, Effect.sync(() => {
        if (this.mirror !== undefined) return { created: false }
        this.#create()
        return { created: true }
      })),
      recreate: Effect.gen({ self: this }, function*() {
        this.mirror = undefined
        this.#connection++
        yield* process.wait(this.#weather.latency())
        if (!this.#machine.reachable()) return yield* away
        this.floor = 0
        yield* pause
        this.#create()
      }),
      info: Effect.andThen(pause, Effect.suspend(() => this.mirror === undefined ? Effect.succeedNone : Effect.asSome(Effect.flatMap(open, ({ info }) => info))))
    }
  }

  /** What a crash of the machine leaves of a mirror that is written asynchronously. */
  crash(): void {
    if (this.mirror === undefined) return
    const { lastSeq } = this.mirror.size()
    const through = this.#kernel.dice.chance(0.5) ? lastSeq : Math.max(0, lastSeq - this.#kernel.dice.below(8))
    this.mirror = makeMemoryStore(mirrorName, this.mirror.image(through))
    this.#connection++
    this.#busy = false
  }
}

/** Requests of one machine to the hosted side: late, lost, answered twice, or never. */
export const connectionOf = (kernel: Kernel, hub: Hub, machine: Machine, process: Process, weather: Weather): Connection => ({
  server: "hub",
  publish: () => Effect.void,
  serve: () => Effect.never,
  up: SubscriptionRef.make(true).pipe(Effect.runSync),
  request: (subject, data, timeout) =>
    Effect.callback<Uint8Array, NoResponders | RequestTimedOut>((resume) => {
      const finish = (answer: Effect.Effect<Uint8Array, NoResponders | RequestTimedOut>) => process.post(() => resume(answer))
      kernel.after(Duration.toMillis(timeout), () => finish(Effect.fail(new RequestTimedOut({ subject }))))
      const deliver = (delay: number, heard: boolean) =>
        kernel.after(delay, () => {
          if (!machine.reachable()) return
          const there = hub.servers.filter(({ process }) => process.alive)
          if (there.length === 0) return finish(Effect.fail(new NoResponders({ subject })))
          const { handler, process: serving } = kernel.dice.pick(there)
          serving.run(handler({ subject, data, reply: "_R_.simulated" }), (exit) => {
            if (exit._tag === "Failure") return kernel.fail(0, `${serving.name}: a request made it die`)
            if (heard && !weather.lost()) kernel.after(weather.latency(), () => { if (machine.reachable()) finish(Effect.succeed(exit.value)) })
          })
        })
      if (!machine.reachable()) return void kernel.after(1, () => finish(Effect.fail(new NoResponders({ subject }))))
      if (!weather.lost()) deliver(weather.latency(), true)
      if (weather.repeated()) deliver(weather.latency() + kernel.dice.below(20_000), false)
    })
})
