// Goal: one event's way is one trace, from the request at one machine to the tables of another, and one id greppable in all of them.
// Method: two locals and a hosted backend export to a real OTLP receiver on loopback; a write is followed by its trace id.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { createServer } from "node:http"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { AddressInfo } from "node:net"
import { done, type Said, statusOf } from "../support/linked.ts"
import { event, openTelemetry } from "../support/telemetrySocket.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

interface Span {
  readonly name: string
  readonly traceId: string
  readonly service: string
  readonly text: string
}

const debug = ["--log-level", "debug"]
const spans: Array<Span> = []
const metrics = new Set<string>()
const paths = new Set<string>()
let received = ""

interface Attribute { readonly key: string; readonly value: { readonly stringValue?: string } }
interface Resource { readonly resource: { readonly attributes: ReadonlyArray<Attribute> } }
interface Body {
  readonly resourceSpans?: ReadonlyArray<Resource & { readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<{ readonly name: string; readonly traceId: string }> }> }>
  readonly resourceMetrics?: ReadonlyArray<{ readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<{ readonly name: string }> }> }>
}
const serviceOf = ({ resource }: Resource) => resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? ""

const collector = createServer((request, response) => {
  let text = ""
  received += String(request.headers["user-agent"])
  paths.add(request.url ?? "")
  request.setEncoding("utf8").on("data", (part: string) => text += part).on("end", () => {
    received += text
    const body = JSON.parse(text) as Body
    for (const each of body.resourceSpans ?? []) for (const scope of each.scopeSpans) for (const span of scope.spans) spans.push({ name: span.name, traceId: span.traceId, service: serviceOf(each), text: JSON.stringify(span) })
    for (const each of body.resourceMetrics ?? []) for (const scope of each.scopeMetrics) for (const metric of scope.metrics) metrics.add(metric.name)
    response.setHeader("content-type", "application/json")
    response.end("{}")
  })
})

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string

beforeAll(async () => {
  await new Promise<void>((ready) => collector.listen(0, "127.0.0.1", ready))
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` }
  world = await makeWorld()
  hosted = await world.hosted("hosted", { env, args: debug })
  a = await world.local("a", { env, args: debug })
  b = await world.local("b", { env, args: debug })
  tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
  await agreed(tenant, hosted, [a, b])
}, 120_000)
afterAll(async () => {
  await world.close()
  collector.close()
})

describe("a trace", () => {
  it("leads from the request on one machine to the tables of the other", async () => {
    const said = await done<Said & { readonly event_id: string }>(a, "POST", "/conversations/c/messages", { role: "user", content: "nobody's business" })
    const event = said.event_id
    await agreed(tenant, hosted, [a, b])
    const of = () => spans.filter(({ text }) => text.includes(event))
    await until(() => of().length >= 4, 20_000, () => `spans: ${JSON.stringify(spans.map(({ name, service }) => `${service} ${name}`))}`)
    assert.deepStrictEqual(new Set(of().map(({ name, service }) => `${service} ${name}`)), new Set([
      "maestra-local maestra.relay", "maestra-hosted maestra.ingest", "maestra-hosted maestra.project", "maestra-local maestra.project"
    ]))
    // the same id in the log of every process
    for (const backend of [a, hosted, b]) await until(() => backend.log().split("\n").some((line) => line.startsWith("{") && line.includes(event)), 5000, () => `${backend.name} does not name it`)
    assert.notInclude(a.log() + hosted.log() + b.log(), "nobody's business")
    const [traceId] = new Set(of().map((span) => span.traceId))
    assert.strictEqual(new Set(of().map((span) => span.traceId)).size, 1)
    await until(() => spans.some((span) => span.traceId === traceId && span.name === "maestra.request" && span.service === "maestra-local"), 10_000, () => "no span of the request")
  })

  it("begins where a caller began one", async () => {
    const trace = "0123456789abcdef0123456789abcdef"
    const token = readFileSync(join(a.dir, "token"), "utf8").trim()
    const answer = await fetch(`${a.url()}/conversations/c/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", traceparent: `00-${trace}-0123456789abcdef-01` },
      body: JSON.stringify({ role: "user", content: "in a trace of its own" })
    })
    assert.strictEqual(answer.status, 201)
    await until(() => spans.filter(({ traceId }) => traceId === trace).length >= 5, 20_000, () => "the trace was not carried on")
  })

  it("of a batch of telemetry leads from the request, or the frames, to the roll-ups on hosted", async () => {
    const onItsWay = ["maestra-hosted maestra.ingest", "maestra-hosted maestra.project", "maestra-local maestra.project", "maestra-local maestra.relay"]
    /** How many events went through each step of a trace: the tables may take them in several turns. */
    const steps = (traceId: string) => {
      const counted = new Map<string, number>()
      for (const { name, service, text } of spans.filter((span) => span.traceId === traceId)) {
        const step = `${service} ${name}`
        counted.set(step, (counted.get(step) ?? 0) + Number(/"batch.events","value":\{"intValue":"?(\d+)/.exec(text)?.[1] ?? 0))
      }
      return counted
    }
    const complete = (traceId: string, events: number) =>
      until(() => onItsWay.every((step) => steps(traceId).get(step) === events), 20_000, () => `steps: ${JSON.stringify([...steps(traceId)])}`)

    const trace = "1123456789abcdef0123456789abcdef"
    const token = readFileSync(join(a.dir, "token"), "utf8").trim()
    const answer = await fetch(`${a.url()}/telemetry`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", traceparent: `00-${trace}-0123456789abcdef-01` },
      body: JSON.stringify({ events: ["one", "two", "three"].map((id) => event(id, { metadata: { said: "nobody's business" } })) })
    })
    assert.strictEqual(answer.status, 200)
    await complete(trace, 3)
    await until(() => steps(trace).size > onItsWay.length, 10_000, () => "no span of the request")
    assert.deepStrictEqual(new Set(steps(trace).keys()), new Set([...onItsWay, "maestra-local maestra.request"]))

    const peer = (await statusOf(a)).peer_id!
    const { ticket } = await done<{ readonly ticket: string }>(a, "POST", `/telemetry/${peer}/ticket`)
    const socket = await openTelemetry(`${a.url()}/telemetry/${peer}?ticket=${ticket}`)
    const begun = () => [...new Set(spans.flatMap(({ name, traceId }) => name === "maestra.batch" ? [traceId] : []))]
    const before = new Set(begun())
    for (const id of ["four", "five"]) {
      socket.send(event(id))
      assert.strictEqual((await socket.next(1))[0]?.status, "acked")
    }
    socket.close()
    await until(() => begun().filter((traceId) => !before.has(traceId)).length >= 2, 20_000, () => `traces begun: ${begun().length}`)
    for (const traceId of begun().filter((traceId) => !before.has(traceId))) await complete(traceId, 1)
  })

  it("is told by the OpenTelemetry SDK, and goes with metrics and log lines", async () => {
    await until(() => metrics.has("maestra_http_requests_total") && paths.has("/v1/logs"), 20_000, () => `metrics: ${[...metrics].join()}`)
    assert.deepStrictEqual(paths, new Set(["/v1/traces", "/v1/metrics", "/v1/logs"]))
    assert.include(received, "OTel-OTLP-Exporter-JavaScript")
  })

  it("tells nothing of what was written, nor any token", () => {
    assert.isAbove(received.length, 1000)
    assert.notInclude(received, "nobody's business")
    assert.notMatch(received, /Bearer /)
  })
})
