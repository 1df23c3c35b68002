import { connect, headers } from "@nats-io/transport-node"
import { Effect, Scope } from "effect"
import { startServer } from "../support/natsServer.ts"
import { quantile } from "./Row.ts"
import { spawnSync } from "node:child_process"
const scope = await Effect.runPromise(Scope.make())
const server = await Effect.runPromise(startServer().pipe(Scope.provide(scope)))
const nc = await connect({ servers: server.address })
const api = async (s: string, b: any) => (await nc.request("$JS.API." + s, JSON.stringify(b), { timeout: 20000 })).json<any>()
await api("STREAM.CREATE.RAW", { name: "RAW", subjects: ["raw.>"], storage: "file", allow_atomic: true, num_replicas: 1 })
await api("STREAM.CREATE.FAST", { name: "FAST", subjects: ["fast.>"], storage: "file", allow_atomic: true, num_replicas: 1 })
const body = new Uint8Array(900).fill(120)
let id = 0
const batch = async (n: number, stream = "raw") => { const b = "b" + id++; for (let i = 1; i <= n; i++) { const h = headers(); h.set("Nats-Batch-Id", b); h.set("Nats-Batch-Sequence", String(i)); if (i === n) { h.set("Nats-Batch-Commit", "1"); await nc.request(stream + ".a", body, { headers: h, timeout: 20000 }) } else nc.publish(stream + ".a", body, { headers: h }) } }
const take = async (name: string, f: () => Promise<any>) => { const o: number[] = []; for (let i = 0; i < 300; i++) { const t = performance.now(); await f(); o.push(performance.now() - t) } console.log(name, [0.1, 0.5, 0.9].map(q => quantile(o, q).toFixed(2)).join(" / ")) }
for (let r = 0; r < 2; r++) {
await take("publish", () => nc.request("raw.a", body))
await take("two publishes at once", () => Promise.all([nc.request("raw.a", body), nc.request("raw.a", body)]))
await take("core request", () => nc.request("$JS.API.INFO", ""))
await take("batch 1", () => batch(1))
await take("batch 2", () => batch(2))
await take("batch 10", () => batch(10)) }
if (process.argv[2]) { const pid = spawnSync("pgrep", ["-f", server.dir]).stdout.toString().trim().split("\n")[0]; console.log("pid", pid); const p = (await import("node:child_process")).spawn("strace", ["-f", "-tt", "-e", "trace=file,fsync,fdatasync,openat,write,pwrite64,rename,unlinkat,mkdirat", "-p", pid!, "-o", "/tmp/st.txt"]); await new Promise(w => setTimeout(w, 500)); await batch(2); await batch(2); await new Promise(w => setTimeout(w, 300)); p.kill() }
await nc.close(); process.exit(0)
