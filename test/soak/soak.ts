/**
 * An hour of mixed use with short outages, and what it leaves behind. One hosted, two locals, a browser: messages typed,
 * edited and deleted, files imported, conversations read, event streams that come and go, telemetry, links cut for
 * seconds. Memory, open files, threads, handles, goroutines and fibers of every process are looked at all the time;
 * after a warm-up they must be flat, and the disk may grow with the data only. At the end the backends' own metrics are
 * asked how syncing went: more than 99 % of all tries succeeded, and a typical write was elsewhere within 5 s.
 *
 * `npm run soak -- --help` tells the flags.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { random } from "../property/projections/rig.ts"
import { startLoad } from "../support/faults/load.ts"
import { startMeasuring } from "../support/faults/measuring.ts"
import { makeStage } from "../support/faults/stage.ts"
import { startTyping } from "../support/faults/surface.ts"
import { eventsOf, verified } from "../support/load.ts"
import { findBinary, freePort } from "../support/natsServer.ts"
import { flagsOf, say, stopsOnSignals, tell } from "../support/script.ts"
import { agreed, type Backend, closeWorlds, digestOf } from "../support/world.ts"
import { arePeersAsPromised, counted, isAsPromised, peersSeen, syncSeen, type Told } from "./measure/ownMetrics.ts"
import { writeProfiledServer } from "./measure/profiled.ts"
import { diskOf, sampleOf } from "./measure/sample.ts"
import { judge, type Kind, type Point } from "./measure/series.ts"

const flags = flagsOf("soak", [
  "An hour of mixed use with short outages, and what it leaves behind in every process.",
  "Exit code 0: flat, all agree at the end, nothing lost, and syncing as promised. Ctrl-C ends the watch, and what was seen is judged."
].join("\n"), {
  minutes: { default: 60, value: "N", says: "how long" },
  every: { default: 30, value: "SECONDS", says: "between two looks" },
  imported: { default: 200_000, value: "N", says: "messages that are there before" },
  pause: { default: 900, value: "MS", says: "between two writes at one backend" },
  seed: { default: 1, value: "N", says: "of everything that is left to chance" },
  out: { default: "soak.json", value: "FILE", says: "the result with every figure read" }
})
const { minutes } = flags
const everyMs = flags.every * 1000
/** A third, and no more than twenty minutes: caches fill, the heap finds its size. */
const warmUpMinutes = Math.min(20, minutes / 3)
const writePauseMs = flags.pause
const typePauseMs = 1000
const telemetryEveryMs = 1000
const importEveryMs = 180_000
const importedAtOnce = 100
const writesPerConversation = 500
/** Messages imported before the watch begins: tables larger than their page caches (24 MiB a process), which then are full and grow no more. */
const importedCount = flags.imported
const importedPerConversation = 1000
const importWithinMs = 600_000
const readWithinMs = 600_000
/** Between two outages, and how long one lasts. */
const outages = { everyMs: [100_000, 200_000], lastMs: [500, 20_000] } as const

const tickMs = 250

const sleep = (ms: number) => new Promise<void>((wait) => setTimeout(wait, ms))
const probe = fileURLToPath(new URL("measure/insideProbe.ts", import.meta.url))
const probeFiles = new Map<string, string>()
const profilePorts = new Map<string, number>()
const binary = await Effect.runPromise(findBinary)
const ports = await Effect.runPromise(Effect.all([freePort, freePort, freePort]))

const stage = await makeStage({ hosted: 1, locals: 2, surface: "web", tight: false, smallDisks: false }, (name) => {
  const at = join(process.env["TMPDIR"] ?? "/tmp", `maestra-soak-${process.pid}-${name}`)
  const port = ports[profilePorts.size]!
  probeFiles.set(name, `${at}.json`)
  profilePorts.set(name, port)
  mkdirSync(at)
  // its file of ports is called after the program
  writeProfiledServer(join(at, "nats-server"), binary, port)
  return { NODE_OPTIONS: `--import ${probe} --heapsnapshot-signal=SIGUSR2`, MAESTRA_PROBE_FILE: `${at}.json`, MAESTRA_PROBE_EVERY_MS: String(everyMs), NATS_SERVER: join(at, "nats-server") }
})
const dice = random(flags.seed)
/** The longest this process, which only waits, was not let run: what nobody on this machine could answer in. */
let stoodStill = 0
let ticked = performance.now()
setInterval(() => {
  stoodStill = Math.max(stoodStill, performance.now() - ticked - tickMs)
  ticked = performance.now()
}, tickMs).unref()
let over = false
stopsOnSignals({ ask: () => { over = true }, close: closeWorlds })
const between = ([least, most]: readonly [number, number]) => least + dice.below(most - least)
/** Sleeps, and wakes at the end. */
const pause = async (ms: number) => {
  const until = performance.now() + ms
  while (!over && performance.now() < until) await sleep(Math.min(500, Math.max(1, until - performance.now())))
}

/** Somebody follows the events of a backend for a while, and goes. */
const follow = async () => {
  let heard = 0
  while (!over) {
    const backend = dice.pick(stage.all)
    const token = backend.side === "hosted" ? readFileSync(join(backend.dir, "admin-token"), "utf8").trim() : stage.bearerFor(backend)
    const gone = AbortSignal.timeout(1000 + dice.below(8000))
    const response = await fetch(`${backend.url()}/events?from=now${backend.side === "hosted" ? `&tenant=${stage.tenant}` : ""}`, { headers: { authorization: `Bearer ${token}` }, signal: gone }).catch(() => undefined)
    try {
      for await (const chunk of response?.body ?? []) heard += chunk.length
    } catch {
      // gone
    }
  }
  return heard
}

/** Somebody looks at lists and conversations. */
const read = async () => {
  let reads = 0
  while (!over) {
    await sleep(500 + dice.below(1000))
    const backend = dice.pick(stage.all)
    const tenant = backend.side === "hosted" ? `tenant=${stage.tenant}` : ""
    const list = await backend.http<{ readonly conversations?: ReadonlyArray<{ readonly conversation_id: string }> }>("GET", `/conversations?limit=20&${tenant}`).catch(() => undefined)
    const one = list?.json.conversations?.at(dice.below(20))
    if (one !== undefined) await backend.http("GET", `/conversations/${one.conversation_id}?${tenant}`).catch(() => undefined)
    reads++
  }
  return reads
}

/** Links are cut for seconds, one or all, with a word or without. */
const cut = async () => {
  let cuts = 0
  while (!over) {
    await pause(between(outages.everyMs))
    if (over) break
    const leaf = dice.chance(0.3) ? undefined : stage.leafOf(dice.pick(stage.locals))
    stage.link.cut(dice.chance(0.5) ? "silent" : "close", leaf)
    await sleep(between(outages.lastMs))
    stage.link.mend(leaf)
    cuts++
  }
  return cuts
}

/** Somebody brings conversations from elsewhere. */
const bringNew = async (told: { imported: number }) => {
  const file = join(stage.world.dir, "new.jsonl")
  for (let n = 0; !over; n++) {
    await pause(importEveryMs)
    if (over) break
    writeFileSync(file, `${JSON.stringify({ conversation_id: `new-${n}`, messages: Array.from({ length: importedAtOnce }, (_, at) => ({ role: "user", content: `message ${at} of new conversation ${n}` })) })}\n`)
    const { code, err } = await dice.pick(stage.locals).cli("import", file)
    if (code === 0) told.imported += importedAtOnce
    else stage.surprises.push(`an import failed: ${err.slice(0, 300)}`)
  }
  return told.imported
}

/** What somebody has who used it for long. */
const bringOld = async () => {
  const file = join(stage.world.dir, "old.jsonl")
  const lines = Array.from({ length: Math.ceil(importedCount / importedPerConversation) }, (_, at) => JSON.stringify({
    conversation_id: `old-${at}`,
    messages: Array.from({ length: importedPerConversation }, (_, n) => ({ role: "user", content: `message ${n} of old conversation ${at}` }))
  }))
  writeFileSync(file, `${lines.join("\n")}\n`)
  const { code, err } = await stage.locals[0]!.cli("import", file)
  if (code !== 0) throw new Error(`the import failed: ${err}`)
  await agreed(stage.tenant, stage.hub, stage.locals, importWithinMs)
}

const points = new Map<string, Array<Point>>()
const note = (name: string, at: number, written: number, value: number) => {
  if (Number.isFinite(value)) points.set(name, [...points.get(name) ?? [], [at, written, value]])
}
const scrapes = () => Promise.all(stage.locals.map((backend) => backend.http("GET", "/metrics").then(({ text }) => text)))

try {
  await bringOld()
  say(`${importedCount} messages imported and everywhere`)
  const before = counted(await scrapes())
  const told: Array<Told> = []
  const load = startLoad(stage, dice, writePauseMs, (n) => `c${Math.floor(n / writesPerConversation)}`)
  const typing = await startTyping(stage, "web", random(flags.seed + 1), typePauseMs)
  const measuring = startMeasuring(stage, telemetryEveryMs)
  const brought = { imported: 0 }
  const written = () => load.acknowledged.length + typing.typed.length + measuring.acked.size + brought.imported
  const others = [follow(), follow(), follow(), read(), cut(), bringNew(brought)]
  const began = performance.now()
  const since = () => (performance.now() - began) / 60_000
  const grown: Array<{ readonly at: number; readonly events: number; readonly disk: Readonly<Record<string, Readonly<Record<string, number>>>> }> = []
  while (since() < minutes && !over) {
    await pause(everyMs)
    const at = since()
    for (const backend of stage.all) {
      for (const [name, value] of Object.entries(await sampleOf(backend, probeFiles.get(backend.name)!, profilePorts.get(backend.name)!))) note(`${backend.name}: ${name}`, at, written(), value)
      const { json } = await backend.http<{ readonly peers: ReadonlyArray<{ readonly peer_id: string } & Omit<Told, "peer">> }>("GET", "/sync/metrics")
      for (const { peer_id, sync_lag_seconds, sync_success_rate } of json.peers) told.push({ peer: `${peer_id} on ${backend.name}`, sync_lag_seconds, sync_success_rate })
    }
    grown.push({ at, events: written(), disk: Object.fromEntries(stage.all.map((backend) => [backend.name, diskOf(backend)])) })
    say(`${at.toFixed(1)} min: ${load.acknowledged.length} writes, ${load.failed()} unanswered, ${typing.typed.length} typed, ${measuring.acked.size} telemetry, ${brought.imported} imported; ${stage.all.map((backend) => `${backend.name} ${["agent rss MB", "agent heap in use MB", "agent fibers", "server rss MB", "server goroutines"].map((name) => Math.round(points.get(`${backend.name}: ${name}`)?.at(-1)?.[2] ?? Number.NaN)).join(" ")}`).join(", ")}`)
  }
  const watched = since()
  await load.stop()
  over = true
  const [heard, , , reads, cuts] = await Promise.all(others)
  const after = counted(await scrapes())
  const held = await typing.settle()
  await agreed(stage.tenant, stage.hub, stage.locals, 120_000)
  const telemetryWrong = await measuring.judge()
  const digests = await Promise.all(stage.all.map((backend: Backend) => digestOf(backend, stage.tenant)))
  const there = new Set((await eventsOf(stage.hub, stage.tenant, (await verified(stage.hub, stage.tenant)).events, readWithinMs)).map(({ id }) => id))
  const lost = load.acknowledged.filter(({ eventId }) => !there.has(eventId)).length
  // what an event costs on disk, from sample to sample after the warm-up: it may not rise
  const settled = grown.filter(({ at }) => at >= warmUpMinutes)
  const start = settled[0]!
  for (const { at, disk, events } of settled.slice(Math.ceil(settled.length / 4))) {
    for (const [name, folders] of Object.entries(disk)) {
      for (const [folder, bytes] of Object.entries(folders)) note(`${name}: disk, ${folder}`, at, events, (bytes - start.disk[name]![folder]!) / (events - start.events))
    }
  }
  const verdicts = [...points].map(([name, series]) => judge({ name, kind: kindOf(name), points: series }, warmUpMinutes))
  const agree = new Set(digests.map(({ digest }) => digest)).size === 1
  const sync = syncSeen(before, after)
  const peers = peersSeen(told)
  const result = {
    minutes: Math.round(watched * 10) / 10, warm_up_minutes: warmUpMinutes,
    writes: load.acknowledged.length, typed: typing.typed.length, imported: brought.imported, telemetry: measuring.acked.size, per_s: Math.round((load.acknowledged.length + typing.typed.length) / watched / 6) / 10,
    lost, held, telemetry_wrong: telemetryWrong,
    unanswered: load.failed(), unanswered_as: load.failedAs(), slowest_write_ms: Math.round(load.slowest()), machine_stood_still_ms: Math.round(stoodStill), reads, cuts, bytes_followed: heard, surprises: stage.surprises,
    agree, digest: digests[0], flat: verdicts.every(({ flat }) => flat), grows: verdicts.filter(({ flat }) => !flat), verdicts,
    disk: grown.at(-1), sync, peers, sync_as_promised: isAsPromised(sync) && arePeersAsPromised(peers)
  }
  writeFileSync(flags.out, `${JSON.stringify({ ...result, points: Object.fromEntries(points) }, null, 1)}\n`)
  tell({ ...result, verdicts: undefined })
  for (const { flat, grown, kind, last, mean, most, name, per_thousand_writes } of verdicts) say(`${flat ? "flat " : "GROWS"} ${name}: mean ${mean}, last ${last}, ${per_thousand_writes} in a thousand writes, ${grown} in all of ${most} (${kind})`)
  process.exitCode = result.flat && agree && lost === 0 && held === undefined && telemetryWrong.length === 0 && result.sync_as_promised && stage.surprises.length === 0 ? 0 : 1
} finally {
  over = true
  await stage.close()
}
process.exit()

function kindOf(name: string): Kind {
  if (name.includes("disk")) return "bytes/event"
  if (!name.endsWith("MB")) return "count"
  if (name.includes("blocks")) return "blocks, MB"
  return name.includes("in use") || name.includes("external") ? "in use, MB" : "resident, MB"
}
