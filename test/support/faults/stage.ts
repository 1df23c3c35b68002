import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { encodeBearer } from "../../../src/security/sessionToken.ts"
import { freePort } from "../natsServer.ts"
import { enrol, makeRawPeer, registerRaw, tokenFor } from "../rawPeer.ts"
import { mountSmallDisk } from "../smallDisks.ts"
import type { Link } from "../tcpLink.ts"
import { type Backend, makeWorld, until, type World } from "../world.ts"

/** How a phone or a browser syncs: with hosted alone, with both sides, with a local backend alone. */
export type SurfaceKind = "web" | "ios" | "android"

/** How many of each a run has. */
export interface Shape {
  readonly hosted: 1 | 2
  readonly locals: 2 | 3
  readonly surface: SurfaceKind | undefined
  /** Limits that this load passes. */
  readonly tight: boolean
  /** Each backend on a small disk of its own, that can be filled. */
  readonly smallDisks: boolean
}

/** A process that faults strike: one of our backends, or its nats-server. */
export interface Target {
  readonly name: string
  readonly backend: Backend
  readonly what: "agent" | "server"
}

/** One hub, one or two hosted processes on it, two or three locals behind a link that can be cut, one user. */
export interface Stage {
  readonly world: World
  /** The one that runs the hub. */
  readonly hub: Backend
  readonly hosted: ReadonlyArray<Backend>
  readonly locals: ReadonlyArray<Backend>
  readonly all: ReadonlyArray<Backend>
  readonly tenant: string
  /** Whoever writes much is told to wait. */
  readonly isTight: boolean
  readonly link: Link
  /** The name under which a local's nats-server introduces itself to the hub. */
  readonly leafOf: (local: Backend) => string
  /** Whose requests write: a local's own person; at a hosted process a browser of the same user. */
  readonly bearerFor: (backend: Backend) => string
  /** Put a backend's clock beside the machine's, milliseconds; it looks every 100 ms. */
  readonly setClock: (backend: Backend, millis: number) => void
  /** Whether it was, in the last seconds. */
  readonly isClockOff: (backend: Backend) => boolean
  /** While a backend is down on purpose nobody starts it again. */
  readonly downOnPurpose: Set<Backend>
  /** Those that were given a reason to end by themselves. */
  readonly mayEnd: Set<Backend>
  /** Machines that came while faults struck. They read along; nobody strikes them. */
  readonly joined: Array<Backend>
  /** What happened that nobody planned: a process that ended by itself. */
  readonly surprises: Array<string>
  /** What the log, or a journal, lost for good is asked for in the end in another way. */
  readonly damaged: { log: boolean }
  /** Up again, however often it has to be tried: its hub may be down too. */
  readonly revive: (backend: Backend) => Promise<void>
  readonly close: () => Promise<void>
}

const renewEveryMs = 15 * 60_000

const names = ["ada", "bob", "cat"] as const
/** Writers write faster than people. */
const unlimited = ["--syncs-per-minute", "1000000", "--telemetry-per-minute", "1000000"]
/** So little that everybody has to wait. */
const tightLimits = ["--syncs-per-minute", "120", "--telemetry-per-minute", "240"]

/** `more`: further environment of each backend, by its name. */
export const makeStage = async (shape: Shape, more: (name: string) => Readonly<Record<string, string>> = () => ({})): Promise<Stage> => {
  const world = await makeWorld()
  return stageIn(world, shape, more).catch(async (error: Error) => {
    await world.close().catch(() => {})
    throw error
  })
}

const stageIn = async (world: World, shape: Shape, more: (name: string) => Readonly<Record<string, string>>): Promise<Stage> => {
  const clocks = join(world.dir, "clocks")
  mkdirSync(clocks)
  const clockOf = (name: string) => join(clocks, name)
  const env = (name: string) => ({ MAESTRA_CLOCK_OFFSET_FILE: clockOf(name), ...more(name) })
  const unmount = (shape.smallDisks ? ["hub", "second", ...names] : []).map((name) => mountSmallDisk(join(world.dir, name)))
  const args = shape.tight ? tightLimits : unlimited
  const leafPort = await Effect.runPromise(freePort)
  const link = await world.link(leafPort)
  const hub = await world.hosted("hub", { leafPort, leafUrl: `nats-leaf://127.0.0.1:${link.port}`, args, env: env("hub") })
  const second = shape.hosted === 1 ? [] : [await world.hosted("second", { cluster: join(hub.dir, "cluster.json"), args, env: env("second") })]
  const hosted = [hub, ...second]
  const locals = await Promise.all(names.slice(0, shape.locals).map((name) => world.local(name, { env: env(name) })))
  let tenant = ""
  for (const [at, local] of locals.entries()) tenant = await world.pair(hosted[at % hosted.length]!, local)
  const all = [...hosted, ...locals]
  const browser = await makeRawPeer("browser")
  const code = await enrol(hub, "ada")
  let session = await tokenFor(hub, browser, code)
  const joined = await registerRaw(hub, browser, session)
  if (joined.status > 299) throw new Error(`the browser cannot register: ${joined.text}`)
  const downOnPurpose = new Set<Backend>()
  const mayEnd = new Set<Backend>()
  const surprises: Array<string> = []
  const clockSetAt = new Map<Backend, number>()
  const revive = async (backend: Backend) => {
    let why = ""
    await until(async () => {
      if (backend.running()) return true
      return await backend.start().then(() => true, (error: Error) => {
        why = error.message
        return false
      })
    }, 60_000, () => `${backend.name} does not come up again: ${why}`)
    downOnPurpose.delete(backend)
  }
  // a session does not last as long as a soak
  const renewing = setInterval(() => void tokenFor(hub, browser, code).then((next) => { session = next }, () => {}), renewEveryMs)
  const watch = setInterval(() => {
    for (const backend of all) {
      if (backend.running() || downOnPurpose.has(backend)) continue
      // as a service manager does
      downOnPurpose.add(backend)
      if (!mayEnd.delete(backend)) surprises.push(`${backend.name} ended by itself: ${lastFatal(backend.log())}`)
      revive(backend).catch((error: Error) => void surprises.push(error.message))
    }
  }, 200)
  return {
    world, hub, hosted, locals, all, tenant, link, downOnPurpose, mayEnd, surprises, revive,
    joined: [],
    isTight: shape.tight,
    damaged: { log: false },
    bearerFor: (backend) => backend.side === "hosted" ? encodeBearer(session) : readFileSync(join(backend.dir, "token"), "utf8").trim(),
    leafOf: (local) => /MAESTRA_NAME: "([^"]+)"/.exec(readFileSync(join(local.dir, "nats/infra/leaf/instance.conf"), "utf8"))?.[1] ?? "",
    setClock: (backend, millis) => {
      writeFileSync(clockOf(backend.name), String(millis))
      clockSetAt.set(backend, millis === 0 ? performance.now() : Infinity)
    },
    isClockOff: (backend) => performance.now() - (clockSetAt.get(backend) ?? -Infinity) < 3000,
    close: async () => {
      clearInterval(watch)
      clearInterval(renewing)
      for (const backend of all) downOnPurpose.add(backend)
      await Promise.all(all.map((backend) => backend.stop()))
      for (const disk of unmount) disk()
      await world.close()
    }
  }
}

const lastFatal = (log: string): string => log.trim().split("\n").findLast((line) => /level=Fatal|"level":"FATAL"|maestra:/i.test(line)) ?? log.slice(-300)

/** Every process of a stage that can be killed or stopped. A joined hosted process has no server of its own. */
export const targetsOf = (stage: Stage): ReadonlyArray<Target> =>
  stage.all.flatMap((backend): ReadonlyArray<Target> => [
    { name: backend.name, backend, what: "agent" },
    ...(backend.name === "second" ? [] : [{ name: `${backend.name}'s nats-server`, backend, what: "server" as const }])
  ])

/** The process id a target has now; 0 while it is down. */
export const pidOf = ({ backend, what }: Target): number => {
  if (!backend.running()) return 0
  if (what === "agent") return backend.pid()
  try {
    return backend.natsPid()
  } catch {
    return 0
  }
}

/** Send a signal to a process that may be gone. */
export const signal = (pid: number, name: NodeJS.Signals): boolean => {
  if (pid === 0) return false
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
