/**
 * Does anything grow that should not? One hosted and two locals under a steady, mixed load: writes, edits, deletions,
 * reads, event streams that come and go, short cuts of the links. Memory, open files, threads and handles of every
 * process are looked at every few seconds; after a warm-up they must be flat, and the disk may grow with the data only.
 *
 * `node test/soak/soak.ts --minutes 60 --out soak.json`; exit code 0: flat, all backends agree at the end, and the backends' own metrics say
 * that more than 99 % of syncs succeeded and half of all events were elsewhere within 5 s.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { random } from "../property/projections/rig.ts"
import { startLoad } from "../support/faults/load.ts"
import { makeStage } from "../support/faults/stage.ts"
import { agreed, type Backend, digestOf } from "../support/world.ts"
import { isAsPromised, syncSeen } from "./measure/ownMetrics.ts"
import { diskOf, sampleOf } from "./measure/sample.ts"
import { judge, type Series } from "./measure/series.ts"

const { values: flags } = parseArgs({ options: { minutes: { type: "string", default: "60" }, out: { type: "string", default: "soak.json" }, every: { type: "string", default: "30" }, imported: { type: "string", default: "200000" }, seed: { type: "string", default: "1" } } })
const minutes = Number(flags.minutes)
const everyMs = Number(flags.every) * 1000
/** A quarter, and no more than a quarter of an hour: caches fill, the heap finds its size. */
const warmUpMinutes = Math.min(15, minutes / 4)
/** About forty writes a second together. */
const writePauseMs = 70
const writesPerConversation = 500
/** Messages imported before the watch begins: tables larger than their page caches (24 MiB a process), which then are full and grow no more. */
const importedCount = Number(flags.imported)
const importedPerConversation = 1000
const importWithinMs = 600_000

const say = (line: string) => void process.stderr.write(`${line}\n`)
const sleep = (ms: number) => new Promise<void>((wait) => setTimeout(wait, ms))
const probe = fileURLToPath(new URL("measure/insideProbe.ts", import.meta.url))
const probeFiles = new Map<string, string>()

const stage = await makeStage({ hosted: 1, locals: 2, surface: undefined, tight: false, smallDisks: false }, (name) => {
  const file = join(process.env["TMPDIR"] ?? "/tmp", `maestra-probe-${process.pid}-${name}.json`)
  probeFiles.set(name, file)
  return { NODE_OPTIONS: `--import ${probe}`, MAESTRA_PROBE_FILE: file }
})
const dice = random(Number(flags.seed))
let over = false

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
    await sleep(100 + dice.below(200))
    const backend = dice.pick(stage.all)
    const tenant = backend.side === "hosted" ? `tenant=${stage.tenant}` : ""
    const list = await backend.http<{ readonly conversations?: ReadonlyArray<{ readonly conversation_id: string }> }>("GET", `/conversations?limit=20&${tenant}`).catch(() => undefined)
    const one = list?.json.conversations?.at(dice.below(20))
    if (one !== undefined) await backend.http("GET", `/conversations/${one.conversation_id}?${tenant}`).catch(() => undefined)
    reads++
  }
  return reads
}

const cut = async () => {
  let cuts = 0
  while (!over) {
    await sleep(15_000 + dice.below(20_000))
    const leaf = dice.chance(0.3) ? undefined : stage.leafOf(dice.pick(stage.locals))
    stage.link.cut(dice.chance(0.5) ? "silent" : "close", leaf)
    await sleep(200 + dice.below(2500))
    stage.link.mend(leaf)
    cuts++
  }
  return cuts
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

const points = new Map<string, Array<readonly [number, number]>>()
const note = (name: string, at: number, value: number) => {
  if (Number.isFinite(value)) points.set(name, [...points.get(name) ?? [], [at, value]])
}

try {
  await bringOld()
  say(`${importedCount} messages imported and everywhere`)
  const load = startLoad(stage, dice, writePauseMs, (n) => `c${Math.floor(n / writesPerConversation)}`)
  const others = [follow(), follow(), follow(), read(), cut()]
  const began = performance.now()
  const since = () => (performance.now() - began) / 60_000
  const grown: Array<{ readonly at: number; readonly events: number; readonly disk: Readonly<Record<string, Readonly<Record<string, number>>>> }> = []
  while (since() < minutes) {
    await sleep(everyMs)
    const at = since()
    for (const backend of stage.all) {
      for (const [name, value] of Object.entries(sampleOf(backend, probeFiles.get(backend.name)!))) note(`${backend.name}: ${name}`, at, value)
    }
    grown.push({ at, events: load.acknowledged.length, disk: Object.fromEntries(stage.all.map((backend) => [backend.name, diskOf(backend)])) })
    say(`${at.toFixed(1)} min: ${load.acknowledged.length} writes, ${load.failed()} unanswered; ${stage.all.map((backend) => `${backend.name} ${Math.round(points.get(`${backend.name}: agent rss MB`)!.at(-1)![1])}+${Math.round(points.get(`${backend.name}: server rss MB`)!.at(-1)![1])} MB`).join(", ")}`)
  }
  await load.stop()
  over = true
  const [heard, , , reads, cuts] = await Promise.all(others)
  await agreed(stage.tenant, stage.hub, stage.locals, 120_000)
  const sync = syncSeen(await Promise.all(stage.locals.map((backend) => backend.http("GET", "/metrics").then(({ text }) => text))))
  const digests = await Promise.all(stage.all.map((backend: Backend) => digestOf(backend, stage.tenant)))
  // what an event costs on disk, from sample to sample after the warm-up: it may not rise
  const settled = grown.filter(({ at }) => at >= warmUpMinutes)
  const start = settled[0]!
  for (const { at, disk, events } of settled.slice(Math.ceil(settled.length / 4))) {
    for (const [name, folders] of Object.entries(disk)) {
      for (const [folder, bytes] of Object.entries(folders)) note(`${name}: disk, ${folder}`, at, (bytes - start.disk[name]![folder]!) / (events - start.events))
    }
  }
  const verdicts = [...points].map(([name, series]) => judge({ name, unit: unitOf(name), points: series }, warmUpMinutes))
  const agree = new Set(digests.map(({ digest }) => digest)).size === 1
  const result = {
    minutes, warm_up_minutes: warmUpMinutes, writes: load.acknowledged.length, per_s: Math.round(load.acknowledged.length / minutes / 6) / 10,
    unanswered: load.failed(), slowest_write_ms: Math.round(load.slowest()), reads, cuts, bytes_followed: heard, surprises: stage.surprises,
    agree, digest: digests[0], flat: verdicts.every(({ flat }) => flat), grows: verdicts.filter(({ flat }) => !flat), verdicts,
    disk: grown.at(-1), sync, sync_as_promised: isAsPromised(sync)
  }
  writeFileSync(flags.out, `${JSON.stringify({ ...result, points: Object.fromEntries(points) }, null, 1)}\n`)
  process.stdout.write(`${JSON.stringify({ ...result, verdicts: undefined }, null, 2)}\n`)
  for (const { flat, last, mean, name, per_hour, unit } of verdicts) say(`${flat ? "flat " : "GROWS"} ${name}: mean ${mean}, last ${last} ${unit}, ${per_hour} an hour`)
  process.exitCode = result.flat && agree && result.sync_as_promised && stage.surprises.length === 0 ? 0 : 1
} finally {
  over = true
  await stage.close()
}
process.exit()

function unitOf(name: string): Series["unit"] {
  return name.endsWith("MB") ? "MB" : name.includes("disk") ? "bytes/event" : "count"
}
