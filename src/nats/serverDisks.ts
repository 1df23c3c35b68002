import { Duration, Effect, Option, Queue, Schema, type Scope, SubscriptionRef } from "effect"
import { patterns, subjects } from "../../streams/subjects.ts"
import type { Connection } from "./Connection.ts"
import type { Wire } from "./connect.ts"
import { type Disk, judge, freeBytes } from "./diskGuard.ts"
import { type EventLog, LogFull } from "./EventLog.ts"
import { hear } from "./hear.ts"

/** Room under one server's store, as whoever watches it last said. */
const ServerDisk = Schema.Struct({
  server: Schema.String,
  state: Schema.Literals(["ok", "low", "full"]),
  free_bytes: Schema.NullOr(Schema.Int)
})
export type ServerDisk = typeof ServerDisk.Type
const ServerDiskJson = Schema.fromJsonString(ServerDisk)
const readServerDisk = Schema.decodeUnknownOption(ServerDiskJson)

const tellEvery = Duration.seconds(1)
/** Silent for so many: its watcher has ended, and with it, on a machine of its own, the server. */
const silentMax = 10

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Tell the hub's processes how much room a server's disk has, for ever. A nats-server does not say it, and nothing else
 * sees its disk than what runs beside it.
 */
export const tellDisk = (connection: Connection, server: string, directory: string): Effect.Effect<never> => {
  let before: Disk | undefined
  return freeBytes(directory).pipe(
    Effect.flatMap((free) => {
      const now = before = judge(before, free)
      const told: ServerDisk = { server, state: now.state, free_bytes: now.freeBytes }
      return connection.publish(subjects.disk(server), encoder.encode(JSON.stringify(told)))
    }),
    Effect.andThen(Effect.sleep(tellEvery)),
    Effect.forever)
}

export interface ServerDisks {
  /** The fullest of them. Nobody watches: `ok`, and no figure. */
  readonly disk: SubscriptionRef.SubscriptionRef<Disk>
  readonly servers: Effect.Effect<ReadonlyArray<ServerDisk>>
  /** What whoever is refused is told. */
  readonly fullHint: string
  /** The same log; while a server's disk is full its appends are refused at once, and reads go on. */
  readonly guard: (log: EventLog) => EventLog
}

/** Hear of the servers' disks, as long as the scope lives. */
export const hearDisks = (wire: Wire): Effect.Effect<ServerDisks, never, Scope.Scope> =>
  Effect.gen(function*() {
    const disk = yield* SubscriptionRef.make<Disk>({ state: "ok", freeBytes: null })
    const heard = new Map<string, { readonly told: ServerDisk; silent: number }>()
    const arrived = yield* hear(wire, patterns.disk)
    const judgeAll = Effect.suspend(() => {
      const worst = [...heard.values()].map(({ told }) => told).toSorted((a, b) => (a.free_bytes ?? Infinity) - (b.free_bytes ?? Infinity))[0]
      const before = SubscriptionRef.getUnsafe(disk)
      const now: Disk = { state: worst?.state ?? "ok", freeBytes: worst?.free_bytes ?? null }
      const changed = now.state === before.state ? Effect.void
        : now.state === "full" ? Effect.logError("a server's disk is full: writes are refused until there is room, reads go on", { server: worst?.server })
        : before.state === "full" ? Effect.logInfo("every server has room: writes are taken again")
        : now.state === "low" ? Effect.logWarning("a server's disk is nearly full", { server: worst?.server, freeBytes: now.freeBytes }) : Effect.void
      return Effect.andThen(SubscriptionRef.set(disk, now), changed)
    })
    const take = Effect.forever(Effect.flatMap(Queue.take(arrived), (data) => {
      const told = readServerDisk(decoder.decode(data))
      if (Option.isNone(told)) return Effect.void
      heard.set(told.value.server, { told: told.value, silent: 0 })
      return judgeAll
    }))
    const forget = Effect.sleep(tellEvery).pipe(
      Effect.andThen(Effect.sync(() => heard.forEach((one, server) => ++one.silent > silentMax && heard.delete(server)))),
      Effect.andThen(judgeAll),
      Effect.forever)
    yield* Effect.forkScoped(Effect.raceFirst(take, forget))
    return {
      disk, fullHint,
      servers: Effect.sync(() => [...heard.values()].map(({ told }) => told).toSorted((a, b) => a.server < b.server ? -1 : 1)),
      guard: (log) => ({
        ...log,
        append: (batch) => Effect.suspend(() => SubscriptionRef.getUnsafe(disk).state === "full" ? Effect.fail(new LogFull({ stream: log.name, hint: fullHint })) : log.append(batch))
      })
    }
  })

const fullHint = "The disk of one of the hub's servers is full; `maestra hosted cluster status` says whose. Make room there: writes are then taken again within seconds, by themselves. Nothing that was acknowledged is lost, and reading goes on."
