// Goal: what is scraped is what Prometheus' conventions, its rules and the dashboard in infra/ expect, name by name.
// Method: a running gateway's answer through promtool; every name in rules and dashboard against the table; the rules' own tests.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { alertKinds } from "../../streams/alertRules.ts"
import { metricTable, observe } from "../../streams/metrics.ts"
import { makeRig } from "../support/gatewayRig.ts"

const infra = new URL("../../infra/", import.meta.url)
const file = (path: string) => readFileSync(new URL(path, infra), "utf8")
const promtool = (args: ReadonlyArray<string>, input = "") => {
  const ran = spawnSync("promtool", args, { cwd: new URL("prometheus/", infra), input, encoding: "utf8" })
  if (ran.error !== undefined) throw new Error("promtool is not here: apt-get install prometheus", { cause: ran.error })
  return { code: ran.status, said: ran.stdout + ran.stderr }
}

/** Names of ours in a text, as they stand in the table. */
const named = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/\b(maestra_\w+|process_resident_memory_bytes)/g)].map(([name]) => Object.hasOwn(metricTable, name) ? name : name.replace(/_(bucket|sum|count)$/, "")))

/** What a series stands at in a scraped text; 0 when it is not there. */
const valueOf = (text: string, series: string): number => Number(text.split("\n").find((line) => line.startsWith(`${series} `))?.slice(series.length) ?? 0)

describe("metrics", () => {
  it.live("are as Prometheus wants them, and each by its own name", () =>
    Effect.gen(function*() {
      const rig = yield* makeRig({ side: "local" })
      const scraped = Effect.promise(() => rig.ask("GET", "/metrics"))
      // the registry is the process's own, and other files may have counted in it
      const before = (yield* scraped).text
      observe("maestra_commit_size_bytes", {}, 300)
      yield* Effect.promise(() => rig.ask("POST", "/conversations/c/messages", { role: "user", content: "a secret" }))
      yield* Effect.promise(() => rig.ask("GET", "/conversations/c"))
      const { headers, status, text } = yield* scraped
      const rose = (series: string) => valueOf(text, series) - valueOf(before, series)
      assert.strictEqual(status, 200)
      assert.match(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
      const checked = promtool(["check", "metrics"], text)
      assert.deepStrictEqual([checked.code, checked.said], [0, ""])
      assert.strictEqual(rose('maestra_http_requests_total{method="POST",status="201"}'), 1)
      assert.strictEqual(rose('maestra_commit_size_bytes_bucket{le="256"}'), 0)
      assert.strictEqual(rose('maestra_commit_size_bytes_bucket{le="1024"}'), 1)
      assert.match(text, /^maestra_projected_entries_total\{input="journal"\} [1-9]/m)
      assert.match(text, /^maestra_peers 2$/m)
      assert.notInclude(text, "a secret")
      assert.deepStrictEqual([...named(text)].filter((name) => !Object.hasOwn(metricTable, name)), [])
    }))

  it.live("are for this machine and for the token, whoever stands in between", () =>
    Effect.gen(function*() {
      const rig = yield* makeRig({ side: "hosted", sessions: { session: "t_aaaaaaaaaaaaaaaa" } })
      const ask = (headers: Record<string, string>) => Effect.promise(() => fetch(`${rig.url}/metrics`, { headers }).then(({ status }) => status))
      assert.strictEqual(yield* ask({}), 200)
      assert.strictEqual(yield* ask({ "x-forwarded-for": "192.0.2.1" }), 401)
      assert.strictEqual(yield* ask({ authorization: "Bearer wrong" }), 401)
      assert.strictEqual(yield* ask({ authorization: "Bearer session" }), 403)
    }))

  it("of the table follow the conventions", () => {
    for (const [name, { help, type }] of Object.entries(metricTable)) {
      assert.strictEqual(name.endsWith("_total"), type === "counter", name)
      if (type === "histogram") assert.match(name, /_(seconds|bytes|events|messages|commits)$/)
      assert.isAtLeast(help.length, 1)
    }
  })
})

describe("infra", () => {
  it("the rules hold in their own tests", () => {
    const ran = promtool(["test", "rules", "rules.test.yml"])
    assert.strictEqual(ran.code, 0, ran.said)
    assert.strictEqual(promtool(["check", "config", "prometheus.yml"]).code, 0)
  })

  it("rules and dashboard name metrics there are, and the dashboard shows nearly all", () => {
    const [rules, dashboard] = [named(file("prometheus/rules.yml")), named(file("grafana/maestra.json"))]
    for (const name of [...rules, ...dashboard]) assert.isTrue(Object.hasOwn(metricTable, name), name)
    const unseen = Object.keys(metricTable).filter((name) => !dashboard.has(name) && !rules.has(name))
    assert.deepStrictEqual(unseen, ["maestra_append_messages"])
    assert.isAtLeast(rules.size, 7)
  })

  it("there is a rule for every alert of the backends", () => {
    for (const kind of alertKinds) assert.include(file("prometheus/rules.yml"), kind)
  })
})

describe("the run books", () => {
  it("have a heading for every alert, and none for what is no alert", () => {
    const text = readFileSync(new URL("../../docs/OPERATIONS.md", import.meta.url), "utf8")
    const part = text.slice(text.indexOf("\n## Alerts\n"), text.indexOf("\n## When something is wrong\n"))
    const headings = [...part.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading)
    assert.deepStrictEqual(headings, [...alertKinds])
  })
})
