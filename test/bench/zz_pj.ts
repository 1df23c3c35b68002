import { Effect, Layer } from "effect"
import { readFileSync, rmSync } from "node:fs"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { conversations } from "../../projections/conversations/projection.ts"
import { peers } from "../../projections/peers/projection.ts"
import { settings } from "../../projections/settings/projection.ts"
import { syncState } from "../../projections/syncState/projection.ts"
import * as E from "../../streams/Envelope.ts"
import { textOf } from "./corpus.ts"
import { v7 } from "uuid"
const src = "local_sha256_" + "a".repeat(64)
const N = Number(process.argv[2] ?? 100000), B = Number(process.argv[3] ?? 1000)
const opened = Array.from({ length: N }, (_, i): any => ({ envelope: E.plain({ type: "message.appended", data: { message_id: "m" + i % 20, role: "user", content: textOf(i), timestamp: "2026-11-22T10:00:00.000Z" } }, { id: v7(), source: src, time: "2026-11-22T10:00:00.000Z", subject: "bench-" + (i / 20 | 0), lamport: i + 1, surface: "import" }), fact: { type: "message.appended", data: { message_id: "m" + i % 20, role: "user", content: textOf(i), timestamp: "2026-11-22T10:00:00.000Z" } } }))
const main = () => { const f = readFileSync(`/proc/${process.pid}/task/${process.pid}/stat`, "utf8").split(") ")[1]!.split(" "); return (Number(f[11]) + Number(f[12])) / 100 }
for (const x of ["", "-wal", "-shm"]) rmSync("/tmp/pj.sqlite" + x, { force: true })
const layer = Projections.layer([conversations, peers, settings, syncState]).pipe(Layer.provideMerge(Sqlite.layer({ path: "/tmp/pj.sqlite" })))
await Effect.runPromise(Effect.gen(function*() {
  const p = yield* Projections
  const c0 = process.cpuUsage(), m0 = main(), t0 = performance.now()
  for (let i = 0; i < N; i += B) {
    const entries = opened.slice(i, i + B).map((o, k): any => ({ kind: "event", log: "log", seq: i + k + 1, tenant: "self", opened: o, own: false }))
    yield* p.absorb({ cursor: "log", epoch: "1", entries })
  }
  const c = process.cpuUsage(c0), s = (performance.now() - t0)
  console.log("events", (s / N * 1e3).toFixed(1), "us wall", ((c.user + c.system) / N).toFixed(1), "us cpu; main", ((main() - m0) / N * 1e6).toFixed(1))
  const c2 = process.cpuUsage(), m2 = main(), t2 = performance.now()
  for (let i = 0; i < N; i += B) {
    const entries = opened.slice(i, i + B).map((o, k): any => ({ kind: "echo", seq: i + k + 1, tenant: "self", eventId: o.envelope.id }))
    yield* p.absorb({ cursor: "mirror", epoch: "1", entries })
  }
  const cc = process.cpuUsage(c2), ss = (performance.now() - t2)
  console.log("echoes", (ss / N * 1e3).toFixed(1), "us wall", ((cc.user + cc.system) / N).toFixed(1), "us cpu; main", ((main() - m2) / N * 1e6).toFixed(1))
}).pipe(Effect.provide(layer)))
