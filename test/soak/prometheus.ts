/**
 * Prometheus itself on both sides: `npm run prometheus`. Debian's `prometheus` scrapes a hosted backend and a local one
 * with the rules of infra/prometheus, their waits and thresholds shortened; the link is cut, the queue grows, syncs fail;
 * each alert has to fire, and to resolve when all is well again. A minute on a quiet machine.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { done, linkedHosted, statusOf } from "../support/linked.ts"
import { freePort } from "../support/natsServer.ts"
import { flagsOf, misused, stopsOnSignals, tell } from "../support/script.ts"
import { agreed, makeWorld, until } from "../support/world.ts"

/** How the rules differ here, so that a minute is enough. */
const shorter: ReadonlyArray<readonly [RegExp, string]> = [
  [/for: 1m/g, "for: 1s"],
  [/sync_lag_seconds > 300/, "sync_lag_seconds > 3"],
  [/queue_depth > 1000/, "queue_depth > 5"]
]
const wanted = ["MaestraSyncLag", "MaestraQueueDepth", "MaestraSuccessRate"]
const firesWithin = 120_000
const resolvesWithin = 180_000

interface Alerts { readonly data: { readonly alerts: ReadonlyArray<{ readonly state: string; readonly labels: { readonly alertname: string; readonly instance: string } }> } }

const flags = flagsOf("prometheus", "Prometheus itself scrapes both sides with the rules of infra/prometheus. Exit code 0: each alert fired, and resolved.", {
  out: { default: null, value: "FILE", says: "write the result there too" }
})
if (spawnSync("prometheus", ["--version"], { stdio: "ignore" }).error !== undefined) misused("prometheus", "there is no prometheus on the path (Debian: prometheus)")
const world = await makeWorld()
stopsOnSignals({ close: world.close })
const { hosted, link } = await linkedHosted(world)
const local = await world.local("a")
const tenant = await world.pair(hosted, local)
const say = (content: string) => done(local, "POST", "/conversations/c/messages", { role: "user", content })
for (const content of ["one", "two", "three"]) await say(content)
await agreed(tenant, hosted, [local])

const dir = join(world.dir, "prometheus")
mkdirSync(dir)
const rules = shorter.reduce((text, [from, to]) => text.replace(from, to), readFileSync(new URL("../../infra/prometheus/rules.yml", import.meta.url), "utf8"))
writeFileSync(join(dir, "rules.yml"), rules)
const targets = [hosted, local].map((backend) => `"${new URL(backend.url()).host}"`).join(", ")
writeFileSync(join(dir, "prometheus.yml"), `global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [rules.yml]\nscrape_configs: [{ job_name: maestra, static_configs: [{ targets: [${targets}] }] }]\n`)
const port = await Effect.runPromise(freePort)
const prometheus = spawn("prometheus", [`--config.file=${join(dir, "prometheus.yml")}`, `--storage.tsdb.path=${join(dir, "data")}`, `--web.listen-address=127.0.0.1:${port}`], { stdio: "ignore" })

const ask = async <A>(path: string): Promise<A> => await fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.json()) as A
const firing = async () => new Set((await ask<Alerts>("/api/v1/alerts")).data.alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels.alertname))
const up = async () => (await ask<{ readonly data: { readonly result: ReadonlyArray<{ readonly value: readonly [number, string] }> } }>("/api/v1/query?query=up")).data.result.filter(({ value }) => value[1] === "1").length

try {
  await until(() => up().then((count) => count === 2, () => false), 30_000, () => "prometheus does not scrape both sides")
  const began = performance.now()
  link.cut("silent")
  for (let i = 0; i < 10; i++) await say(`while the link is cut ${i}`)
  const fired = new Map<string, number>()
  await until(async () => {
    for (const name of await firing()) if (!fired.has(name)) fired.set(name, Math.round((performance.now() - began) / 1000))
    return wanted.every((name) => fired.has(name))
  }, firesWithin, () => `fired: ${JSON.stringify([...fired])}`)
  link.mend()
  await agreed(tenant, hosted, [local])
  const mended = performance.now()
  // enough that succeed for those that failed
  for (let i = 0; i < 60; i++) {
    await say(`all is well ${i}`)
    await until(async () => (await statusOf(local)).pending === 0, 20_000)
  }
  await until(async () => { const left = await firing(); return wanted.every((name) => !left.has(name)) }, resolvesWithin, () => "still firing")
  tell({ ok: true, fired_after_s: Object.fromEntries(wanted.map((name) => [name, fired.get(name)])), resolved_after_s: Math.round((performance.now() - mended) / 1000) }, flags.out)
} finally {
  prometheus.kill("SIGTERM")
  await world.close()
}
