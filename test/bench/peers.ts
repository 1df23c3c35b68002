// Goal: what a thousand peers on one hub cost: registration, memory, how fast a write is committed and spread, and where it bends.
// Method: the real hosted process and hub, or a cluster of three; the devices' servers are a few nats-servers with an account, a leaf link and a mirror
// for each; raw signed commits over those links, evenly spread, faster from stretch to stretch. Counts are checked at the end.
import { readFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { join } from "node:path"
import { type Cluster, makeCluster } from "../support/cluster.ts"
import { flagsOf, misused, say, stopsOnSignals, tell } from "../support/script.ts"
import { type Backend, makeWorld, until } from "../support/world.ts"
import { quantile } from "./Row.ts"
import { type LeafServers, makeMirror, mirrored, startLeafServers } from "./peers/leafServer.ts"
import { type Peered, writeSteadily } from "./peers/load.ts"
import { registerDevices } from "./peers/registered.ts"
import { environment, raised } from "./settings.ts"

const flags = flagsOf("peers", "What a thousand peers on one hub cost, and where it bends. Exit code 0: all mirrors hold what the log holds.", {
  peers: { default: 1000, value: "N", says: "devices" },
  replicas: { default: 1, value: "1|3", says: "how many servers hold a message: 1, a hub of its own, or 3, a cluster of three" },
  hosted: { default: 1, value: "N", says: "hosted processes that share the work" },
  "per-user": { default: 2, value: "N", says: "devices of one user" },
  rates: { default: "", value: "N,N", says: "commits a second, one stretch after the other; without: an event every five seconds from each, then 2, 4 and 8 times as many" },
  seconds: { default: 20, value: "N", says: "of each stretch" },
  out: { default: "peers.json", value: "FILE", says: "the result" }
})
if (flags.replicas !== 1 && flags.replicas !== 3) misused("peers", `--replicas takes 1 or 3, not ${flags.replicas}`)
if (!/^(\d+(,\d+)*)?$/.test(flags.rates)) misused("peers", `--rates takes numbers with commas between, not ${flags.rates}`)
const { peers: count, "per-user": perUser } = flags
/** Every peer an event every five seconds, then two, four and eight times as many. */
const rates = flags.rates === "" ? [1, 2, 4, 8].map((times) => times * count / 5) : flags.rates.split(",").map(Number)
/** Streams a cluster's log is spread over. */
const partitions = 4
/** Devices whose deliveries are timed; all are counted at the end. */
const watchedMax = 100

const residentMb = (pid: number) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024 / 1e6
const rounded = (value: number) => Math.round(value * 100) / 100

/** By tenant: what the fullest mirror of its devices holds, and how many hold less. */
const heldBy = async (peers: ReadonlyArray<Peered>) => {
  const counts: Array<number> = []
  for (let at = 0; at < peers.length; at += 50) counts.push(...await Promise.all(peers.slice(at, at + 50).map(({ connection }) => mirrored(connection))))
  return new Map([...Map.groupBy(peers.map(({ device }, at) => ({ tenant: device.tenant, count: counts[at]! })), ({ tenant }) => tenant)].map(([tenant, all]) => {
    const most = Math.max(...all.map(({ count }) => count))
    return [tenant, { most, behind: all.filter(({ count }) => count < most).length }] as const
  }))
}

/** All mirrors together hold what the log holds. */
const mirrorsWhole = (hosted: Backend, peers: ReadonlyArray<Peered>) =>
  until(async () => {
    const inLog = await logMessages(hosted)
    const held = [...(await heldBy(peers)).values()]
    return held.every(({ behind }) => behind === 0) && held.reduce((sum, { most }) => sum + most, 0) === inLog
  }, 120_000, () => "the mirrors do not become whole").catch((error: Error) => say(error.message))

interface LogState {
  readonly log: { readonly messages: number } | null
}
const logMessages = async (hosted: Backend): Promise<number> => {
  const { log, partitions = [] } = (await hosted.http<LogState & { readonly partitions?: ReadonlyArray<LogState> }>("GET", "/status")).json
  return [{ log }, ...partitions].reduce((sum, { log }) => sum + (log?.messages ?? 0), 0)
}

/** Processor time a process has used, in milliseconds, on all its threads. */
const cpuMillis = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}
const load = () => loadavg().map((value) => Math.round(value * 10) / 10)

const world = await makeWorld()
let cluster: Cluster | undefined
let leafs: LeafServers | undefined
const close = async () => {
  await leafs?.close()
  await world.close()
  await cluster?.close()
}
stopsOnSignals({ close })
try {
  cluster = flags.replicas === 3 ? await makeCluster(world, partitions) : undefined
  const hosted = await world.hosted("hosted", { env: environment, ...(cluster === undefined ? {} : { cluster: cluster.file }) })
  const joining = { env: environment, cluster: cluster?.file ?? join(hosted.dir, "cluster.json") }
  const all = [hosted]
  while (all.length < flags.hosted) all.push(await world.hosted(`hosted-${all.length + 1}`, joining))
  const servers = () => cluster === undefined ? [hosted.natsPid()] : cluster.servers.map((server) => server.pid())
  const sum = (pids: ReadonlyArray<number>, of: (pid: number) => number) => pids.reduce((total, pid) => total + of(pid), 0)
  /** Of the first hosted process; of all the hub's servers together. */
  const memory = () => ({ hosted: residentMb(hosted.pid()), hub: sum(servers(), residentMb), leafs: sum(leafs?.pids ?? [], residentMb) })
  const used = () => ({ hosted: sum(all.map((one) => one.pid()), cpuMillis), hub: sum(servers(), cpuMillis), leafs: sum(leafs?.pids ?? [], cpuMillis) })
  const before = memory()
  say(`registering ${count} devices of ${Math.ceil(count / perUser)} users`)
  const registered = await registerDevices(hosted, count, perUser, say)
  const afterRegistering = memory()
  say(`registered in ${registered.seconds.registering.toFixed(1)} s; connecting their links`)
  const connecting = performance.now()
  leafs = await startLeafServers(registered.devices)
  const linksSeconds = (performance.now() - connecting) / 1000
  const peers: Array<Peered> = []
  for (let at = 0; at < count; at += 50) {
    peers.push(...await Promise.all(registered.devices.slice(at, at + 50).map(async (device) => ({ device, connection: await leafs!.dial(device) }))))
  }
  say("making their mirrors")
  const mirroring = performance.now()
  for (let at = 0; at < count; at += 20) await Promise.all(peers.slice(at, at + 20).map(({ connection, device }) => makeMirror(connection, device)))
  await mirrorsWhole(hosted, peers)
  const mirrorsSeconds = (performance.now() - mirroring) / 1000
  const afterMirrors = memory()
  const watched = new Set(peers.filter((_, at) => at % Math.ceil(count / watchedMax) === 0))
  const stretches = []
  for (const rate of rates) {
    const since = used()
    const stretch = await writeSteadily(peers, watched, rate, flags.seconds)
    const now = used()
    const each = (part: keyof typeof now) => rounded((now[part] - since[part]) / stretch.commits)
    stretches.push({ ...stretch, cpu_ms_per_commit: { hosted: each("hosted"), hub: each("hub"), leafs: each("leafs") }, memory_mb: memory(), load_average: load() })
    say(JSON.stringify(stretches.at(-1)))
  }
  await mirrorsWhole(hosted, peers)
  const inLog = await logMessages(hosted)
  const held = await heldBy(peers)
  const inMirrors = [...held.values()].reduce((sum, { most }) => sum + most, 0)
  const behind = [...held.values()].reduce((sum, { behind }) => sum + behind, 0)
  const result = {
    peers: count, per_user: perUser, replicas: flags.replicas, hosted_processes: all.length, machine: `${cpus().length} cores`, load_average: load(), note: raised,
    registration: { per_s: rounded(count / registered.seconds.registering), p50_ms: rounded(quantile(registered.took, 0.5)), p99_ms: rounded(quantile(registered.took, 0.99)), put_off: registered.putOff, enrolments_per_s: rounded(count / registered.seconds.enrolling) },
    links: { seconds: rounded(linksSeconds), per_s: rounded(count / linksSeconds) },
    mirrors: { seconds: rounded(mirrorsSeconds), per_s: rounded(count / mirrorsSeconds) },
    memory_mb: { before, after_registering: afterRegistering, after_mirrors: afterMirrors },
    kb_per_peer: {
      hosted: rounded((afterMirrors.hosted - before.hosted) * 1000 / count),
      hub: rounded((afterMirrors.hub - before.hub) * 1000 / count),
      leaf_side: rounded(afterMirrors.leafs * 1000 / count)
    },
    stretches,
    /** All mirrors together hold what the log holds: nothing was left out of the figures. */
    complete: { log_messages: inLog, in_mirrors: inMirrors, mirrors_behind: behind }
  }
  tell(result, flags.out)
  await Promise.all(peers.map(({ connection }) => connection.close()))
  if (behind > 0 || inLog !== inMirrors) process.exitCode = 1
} finally {
  await close()
}
