import { mirrorName, peerConsumer, relayConsumer, streams } from "../../../streams/definitions.ts"
import { until } from "../world.ts"
import { callJetStream } from "./jetstream.ts"
import type { Dice, Load } from "./load.ts"
import type { Line } from "./line.ts"
import type { Readers } from "./readers.ts"
import { pidOf, signal, type Stage, type Target, targetsOf } from "./stage.ts"
import { fillDisk, freeDisk } from "../smallDisks.ts"
import { corrupt } from "./storage.ts"

/** What a fault may use. */
export interface Struck {
  readonly stage: Stage
  readonly load: Load
  readonly readers: Readers
  /** Only where the run has a network of its own. */
  readonly line: Line | undefined
  readonly dice: Dice
  /** How long it lasts, milliseconds. */
  readonly holdMs: number
  readonly sleep: (ms: number) => Promise<void>
}

/** One kind of fault: a row. What strikes undoes itself before it returns, and says what it did. */
export interface FaultKind {
  readonly kind: string
  /** How often it is chosen, against the others. */
  readonly weight: number
  /** How long it lasts: mostly near the first number, at most the second. Milliseconds. */
  readonly holdMs: readonly [usual: number, most: number]
  /** Only where the run has a network, and mounts, of its own. */
  readonly needsLine?: true
  /** Only where every backend has a small disk of its own. */
  readonly needsDisks?: true
  readonly strike: (struck: Struck) => Promise<string>
}

const pickTarget = ({ dice, stage }: Struck, which: (target: Target) => boolean) => dice.pick(targetsOf(stage).filter(which))

/** SIGKILL, down for a while, up again. A nats-server is started again by its supervisor. */
const killed = (which: (target: Target) => boolean) => async (struck: Struck): Promise<string> => {
  const { holdMs, sleep, stage } = struck
  const target = pickTarget(struck, which)
  if (target.what === "server") {
    signal(pidOf(target), "SIGKILL")
    return `kill -9 ${target.name}`
  }
  stage.downOnPurpose.add(target.backend)
  await target.backend.kill()
  await sleep(holdMs)
  await stage.revive(target.backend)
  return `kill -9 ${target.name}, up again after ${holdMs} ms`
}

const cut = (whole: boolean) => async ({ dice, holdMs, sleep, stage }: Struck): Promise<string> => {
  const how = dice.chance(0.6) ? "silent" : "close"
  const local = dice.pick(stage.locals)
  const leaf = whole ? undefined : stage.leafOf(local)
  stage.link.cut(how, leaf)
  await sleep(holdMs)
  stage.link.mend(leaf)
  return `${how} cut of ${whole ? "every link" : `${local.name}'s link`} for ${holdMs} ms`
}

const spoilLog = (stopped: boolean) => async ({ dice, stage }: Struck): Promise<string> => {
  const { hub } = stage
  stage.damaged.log = true
  if (!stopped) return `LOG, while it runs: ${corrupt(hub, streams.log.name, dice) ?? "nothing there"}`
  stage.downOnPurpose.add(hub)
  await hub.stop()
  const what = corrupt(hub, streams.log.name, dice)
  await stage.revive(hub)
  return `LOG, while the hub is down: ${what ?? "nothing there"}`
}

const spoilMirror = (stopped: boolean) => async ({ dice, stage }: Struck): Promise<string> => {
  const local = dice.pick(stage.locals)
  if (!stopped) return `${local.name}'s MIRROR, while it runs: ${corrupt(local, mirrorName, dice) ?? "nothing there"}`
  stage.downOnPurpose.add(local)
  await local.stop()
  const what = corrupt(local, mirrorName, dice)
  await stage.revive(local)
  return `${local.name}'s MIRROR, while it is down: ${what ?? "nothing there"}`
}

const deleted = (call: (stage: Stage, at: Stage["all"][number], peer: string) => string, onHub: boolean) => async ({ dice, stage }: Struck): Promise<string> => {
  const local = dice.pick(stage.locals)
  const peer = String((await local.http("GET", "/status").catch(() => undefined))?.json.peer_id)
  const what = call(stage, local, peer)
  const said = await callJetStream(stage.world, onHub ? stage.hub : local, what).catch((error: Error) => error.message)
  return `${what}${onHub ? " on the hub" : ` on ${local.name}`}: ${said.includes("\"success\":true") ? "gone" : "it could not be reached"}`
}

/** The journal goes when everything in it has been sent: what was not is lost with the machine, and nobody promised more. */
const loseJournal = async ({ dice, load, readers, stage }: Struck): Promise<string> => {
  const local = dice.pick(stage.locals)
  await load.hold(local)
  try {
    const isSent = await until(async () => (await local.http("GET", "/status").catch(() => undefined))?.json.pending === 0, 20_000).then(() => true, () => false)
    if (!isSent) return `${local.name}'s JOURNAL: left alone, it never had sent all`
    stage.mayEnd.add(local)
    const pid = local.pid()
    const said = await callJetStream(stage.world, local, `STREAM.DELETE.${streams.journal.name}`).catch((error: Error) => error.message)
    const gone = said.includes("\"success\":true")
    // it ends by itself, and makes its tables anew when it is started again
    if (gone) await until(() => !local.running() || local.pid() !== pid, 20_000, () => `${local.name} goes on without its journal`)
    readers.forget(local)
    return `${local.name}'s JOURNAL: ${gone ? "gone" : "it could not be reached"}`
  } finally {
    load.resume(local)
  }
}

const spoiledLine = (how: (line: Line) => () => void, name: string) => async ({ holdMs, line, sleep }: Struck): Promise<string> => {
  const undo = how(line!)
  await sleep(holdMs)
  undo()
  return `${name} for ${holdMs} ms`
}

const fullDisk = async ({ dice, holdMs, sleep, stage }: Struck): Promise<string> => {
  const backend = dice.pick(stage.all)
  fillDisk(backend.home)
  await sleep(holdMs)
  freeDisk(backend.home)
  return `${backend.name}'s disk full for ${holdMs} ms`
}

/** Somebody asks for new keys: in force at once, or, where the hosted side cannot be asked, later and by themselves. */
const newKeys = (which: (stage: Stage) => ReadonlyArray<Stage["all"][number]>) => async ({ dice, stage }: Struck): Promise<string> => {
  const at = dice.pick(which(stage))
  const { code, err } = await at.cli("keys", "rotate", ...(at.side === "hosted" ? ["--on", "hosted"] : []))
  return `new keys of ${at.name}: ${code === 0 ? "made" : err.split("\n")[0]}`
}

/** Somebody brings another machine, and tries until it is let in. */
const joins = async ({ stage }: Struck): Promise<string> => {
  const local = await stage.world.local("new")
  await until(() => stage.world.pair(stage.hub, local).then(() => true, () => false), 60_000, () => `it is not let in: ${local.log().slice(-500)}`)
  stage.joined.push(local)
  return "another machine has joined"
}

const isAgent = ({ what }: Target) => what === "agent"
const isServer = ({ what }: Target) => what === "server"
const ofLocal = ({ backend }: Target) => backend.side === "local"

/** No faults, and not chosen among them: what else happens while faults strike. */
export const happenings: ReadonlyArray<FaultKind> = [
  { kind: "new keys of a machine", weight: 3, holdMs: [0, 0], strike: newKeys(({ locals }) => locals) },
  { kind: "new keys of the deployment", weight: 2, holdMs: [0, 0], strike: newKeys(({ hosted }) => hosted) },
  { kind: "a machine joins", weight: 2, holdMs: [0, 0], strike: joins }
]

/** The table. What strikes the servers of a cluster is in `test/support/faults/clusterKinds.ts`. */
export const faultKinds: ReadonlyArray<FaultKind> = [
  { kind: "kill local agent", weight: 8, holdMs: [300, 3000], strike: killed((target) => isAgent(target) && ofLocal(target)) },
  { kind: "kill local nats-server", weight: 8, holdMs: [0, 0], strike: killed((target) => isServer(target) && ofLocal(target)) },
  { kind: "kill hosted process", weight: 8, holdMs: [300, 3000], strike: killed((target) => isAgent(target) && !ofLocal(target)) },
  { kind: "kill hub nats-server", weight: 8, holdMs: [0, 0], strike: killed((target) => isServer(target) && !ofLocal(target)) },
  { kind: "freeze", weight: 10, holdMs: [1000, 20_000], strike: async (struck) => {
    const target = pickTarget(struck, () => true)
    const pid = pidOf(target)
    signal(pid, "SIGSTOP")
    await struck.sleep(struck.holdMs)
    signal(pid, "SIGCONT")
    return `SIGSTOP of ${target.name} for ${struck.holdMs} ms`
  } },
  { kind: "cut one link", weight: 10, holdMs: [100, 60_000], strike: cut(false) },
  { kind: "cut every link", weight: 6, holdMs: [100, 60_000], strike: cut(true) },
  { kind: "clock jump", weight: 8, holdMs: [1000, 5000], strike: async ({ dice, holdMs, sleep, stage }) => {
    const backend = dice.pick(stage.all)
    const millis = dice.pick([-36_000_000, -600_000, -30_000, 20_000, 45_000, 600_000, 32_400_000])
    stage.setClock(backend, millis)
    await sleep(holdMs)
    stage.setClock(backend, 0)
    return `${backend.name}'s clock ${millis / 1000} s off for ${holdMs} ms`
  } },
  { kind: "corrupt LOG while stopped", weight: 5, holdMs: [0, 0], strike: spoilLog(true) },
  { kind: "corrupt LOG while running", weight: 5, holdMs: [0, 0], strike: spoilLog(false) },
  { kind: "corrupt MIRROR while stopped", weight: 4, holdMs: [0, 0], strike: spoilMirror(true) },
  { kind: "corrupt MIRROR while running", weight: 4, holdMs: [0, 0], strike: spoilMirror(false) },
  { kind: "delete MIRROR", weight: 4, holdMs: [0, 0], strike: deleted(() => `STREAM.DELETE.${mirrorName}`, false) },
  { kind: "delete the peer's consumer", weight: 4, holdMs: [0, 0], strike: deleted((_, __, peer) => `CONSUMER.DELETE.${streams.log.name}.${peerConsumer.nameOf(peer)}`, true) },
  { kind: "delete the relay's consumer", weight: 4, holdMs: [0, 0], strike: deleted(() => `CONSUMER.DELETE.${relayConsumer.stream}.${relayConsumer.name}`, false) },
  { kind: "delete JOURNAL", weight: 4, holdMs: [0, 0], strike: loseJournal },
  { kind: "20 % loss", weight: 6, holdMs: [2000, 8000], needsLine: true, strike: spoiledLine((line) => line.lose(20), "20 % loss") },
  { kind: "128 kbit/s", weight: 6, holdMs: [2000, 8000], needsLine: true, strike: spoiledLine((line) => line.limit(128), "128 kbit/s") },
  { kind: "full disk", weight: 6, holdMs: [1500, 8000], needsLine: true, needsDisks: true, strike: fullDisk }
]
