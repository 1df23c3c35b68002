// Goal: what single writes, imports, backlogs, restarts and rebuilds cost on this machine, beside what the machine does at best.
// Method: whole backends as processes on loopback, every write synced; the floors in the same run; outputs checked outside the timed parts.
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { makeWorld } from "../support/world.ts"
import { measureBulk } from "./bulk.ts"
import { rawServer } from "./floors.ts"
import { measureWrites } from "./latency.ts"
import { measureLink } from "./link.ts"
import { measureMemory } from "./memory.ts"
import { privacyTable } from "./privacy.ts"
import { type Row, toTable } from "./Row.ts"
import { measureTelemetry } from "./telemetry.ts"
import { environment, raised } from "./settings.ts"

const { values: flags } = parseArgs({ options: { out: { type: "string", default: "bench.json" }, quick: { type: "boolean", default: false } } })
const sizes = flags.quick
  ? { events: 10_000, samples: 100, conversations: [100, 1_000] as const, edits: 20 }
  : { events: 100_000, samples: 1_000, conversations: [1_000, 10_000] as const, edits: 200 }

const machine = `${cpus().length} cores`
const rows: Array<Row> = []
const say = (line: string) => process.stderr.write(`${line}\n`)

const raw = await rawServer()
const world = await makeWorld()
try {
  const hosted = await world.hosted("hosted", { env: environment })
  const writer = await world.local("writer")
  const reader = await world.local("reader")
  const tenant = await world.pair(hosted, writer)
  await world.pair(hosted, reader)
  const place = { tenant, hosted, writer, reader }
  say("single writes")
  rows.push(...await measureWrites(place, raw, sizes.samples, `${machine}, ${raised}`))
  say("telemetry")
  rows.push(...await measureTelemetry(place, raw, sizes.samples, `${machine}, ${raised}`))
  say(`${sizes.events} events`)
  rows.push(...await measureBulk(place, raw, sizes.events, machine))
  const memory = measureMemory(writer, hosted, `${sizes.events} events`)
  await world.close()
  say("edits over the link")
  rows.push(...await measureLink(sizes.conversations, sizes.edits, raised), ...memory)
} finally {
  await world.close()
  await raw.close()
}

say("redaction")
process.stdout.write(`${toTable(rows)}\n\nredaction\n${privacyTable()}\n`)
writeFileSync(flags.out, `${JSON.stringify(rows, null, 2)}\n`)
