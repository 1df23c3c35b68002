import { Duration, Effect, Exit, Layer, Schedule } from "effect"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { findServer } from "../../nats/binary.ts"
import { startServer } from "../../nats/ServerProcess.ts"
import { tellDisk } from "../../nats/serverDisks.ts"
import { holdDirectory } from "../../nats/storeLock.ts"
import { keepCertificates } from "../Hub.ts"
import { openAdmin } from "./admin.ts"
import { connectTo } from "./connecting.ts"
import { adminFolder, adminName, ClusterRefused, type ClusterLayout, type ClusterServer, isOnThisMachine, madeLayout } from "./layout.ts"

export interface ClusterUp {
  readonly dir: string
  /** Parts to run, by name: `hub-1`, `hub-2`, `hub-3`, `admin`. All of them without it. */
  readonly only: ReadonlyArray<string>
  readonly onProgress: (line: string) => Effect.Effect<void>
  /** The admin role ended, which it never should. The servers hold what was acknowledged. */
  readonly onBroken: (part: string) => Effect.Effect<void>
}


/** Servers of the try-out and the admin role, running as long as the layer lives. */
export const clusterUp = (options: ClusterUp): Layer.Layer<never, ClusterRefused> =>
  Layer.effectDiscard(start(options)).pipe(Layer.catch((error) => Layer.effectDiscard(Effect.fail(refused(error)))))

const refused = (error: { readonly _tag: string; readonly hint?: string; readonly message: string }): ClusterRefused =>
  error instanceof ClusterRefused ? error : new ClusterRefused({ why: error._tag, hint: error.hint ?? error.message })

const start = Effect.fn("cluster.up")(function*({ dir, onBroken, onProgress, only }: ClusterUp) {
  const layout = yield* madeLayout(dir)
  const known = [...layout.servers.map(({ name }) => name), adminName]
  const unknown = only.find((name) => !known.includes(name))
  if (unknown !== undefined) return yield* new ClusterRefused({ why: `there is no ${unknown} in this cluster`, hint: `--only takes ${known.join(", ")}.` })
  const wanted = (name: string) => only.length === 0 || only.includes(name)
  const servers = isOnThisMachine(layout) ? layout.servers.filter(({ name }) => wanted(name)) : []
  const broken = (part: string) => <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.onExit(effect, (exit) => Exit.hasInterrupts(exit) ? Effect.void : Effect.andThen(Effect.logFatal(`${part} stopped`, exit), onBroken(part)))
  if (servers.length > 0) {
    yield* startServers(dir, servers, onProgress)
    yield* tellDisks(dir, layout, servers).pipe(broken("disk watch"), Effect.forkScoped)
  }
  if (!wanted(adminName)) return
  const lock = adminFolder(dir)
  yield* Effect.promise(() => mkdir(lock, { recursive: true, mode: 0o700 }))
  if (!(yield* holdDirectory(lock))) return yield* new ClusterRefused({ why: "the admin role runs already", hint: `One process is the admin of ${dir}. Stop that one first, or leave it out with --only.` })
  const admin = yield* openAdmin(dir, layout)
  yield* admin.run.pipe(broken("the admin role"), Effect.forkScoped)
})

/** Servers of the try-out, as long as the scope lives. */
export const startServers = Effect.fnUntraced(function*(dir: string, servers: ReadonlyArray<ClusterServer>, say: (line: string) => Effect.Effect<void>) {
  const binary = yield* findServer({ say })
  yield* Effect.forEach(servers, Effect.fnUntraced(function*({ name }) {
    const own = join(dir, name)
    const server = yield* startServer({ binary: binary.path, configFile: join(own, "nats.conf"), runDir: own })
    yield* Effect.forkScoped(keepCertificates(server, { certFile: join(own, "route.pem"), keyFile: join(own, "route.key") }))
  }), { concurrency: "unbounded", discard: true })
})

/** Watch the disks of servers that run here, as soon as they answer. */
const tellDisks = Effect.fnUntraced(function*(dir: string, layout: ClusterLayout, servers: ReadonlyArray<ClusterServer>) {
  const { wire } = yield* connectTo(dir, layout, "disks").pipe(Effect.retry(Schedule.spaced(Duration.seconds(1))))
  yield* Effect.forEach(servers, ({ name }) => tellDisk(wire, name, join(dir, name)), { concurrency: "unbounded", discard: true })
}, Effect.scoped)
