// Goal: a question is kept whatever becomes of it; an answer becomes a message; the model server can be down, slow, busy or broken, and gets the key only where it is safe.
// Method: the real gateway and advisor against a real small HTTP server that plays the model server in every mood.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { advisorKeyOf, makeAdvisor } from "../../src/local/advisor.ts"
import { keyFileLayer } from "../../src/security/keyFile.ts"
import { Keystore } from "../../src/security/Keystore.ts"
import { listOf, makeRig, problemOf, type Rig } from "../support/gatewayRig.ts"
import { completion, modelServer, pieces, type Play, status } from "../support/modelServer.ts"
import { keyInMemory } from "../support/memoryVisitors.ts"

const path = "/api/maestra/advisor/ask"
const start = Effect.gen(function*() {
  const server = yield* modelServer
  const rig = yield* makeRig({ side: "local", advisor: { url: server.url, model: "small", price: { input: 1, output: 2 } } })
  return { server, rig }
})
const ask = (rig: Rig, body: object) => Effect.promise(() => rig.ask("POST", path, body))
const messages = (rig: Rig, id: string) => Effect.map(Effect.promise(() => rig.ask("GET", `/conversations/${id}`)), ({ body }) => listOf(body, "messages").map(({ content, role }) => [role, content]))
/** What telemetry tells of questions; it is stored a moment after the answer. */
const told = (rig: Rig, count: number) =>
  Effect.gen(function*() {
    for (;;) {
      const events = listOf((yield* Effect.promise(() => rig.ask("GET", "/telemetry?type=advisor_ask"))).body, "events")
      if (events.length >= count) return events
    }
  })

describe("POST /api/maestra/advisor/ask", () => {
  it.live("question and answer become messages, the conversation goes along, and telemetry tells what it took", () =>
    Effect.gen(function*() {
      const { rig, server } = yield* start
      yield* Effect.promise(() => rig.ask("PUT", "/api/maestra/advisor/key", { key: "sk-1" }))
      const first = yield* ask(rig, { question: "What is six times seven?", conversation_id: "c" })
      assert.deepInclude(first.body, { conversation_id: "c", content: "42", model: "small-1", tokens_used: 120, cost_usd: 0.00014 })
      yield* ask(rig, { question: "Why?", conversation_id: "c", model: "large" })
      assert.deepStrictEqual(server.heard.map(({ authorization, body, path }) => [path, authorization, body.model, body.messages.map(({ content }) => content)]), [
        ["/v1/chat/completions", "Bearer sk-1", "small", ["What is six times seven?"]],
        ["/v1/chat/completions", "Bearer sk-1", "large", ["What is six times seven?", "42", "Why?"]]
      ])
      assert.deepStrictEqual(yield* messages(rig, "c"), [["user", "What is six times seven?"], ["assistant", "42"], ["user", "Why?"], ["assistant", "42"]])
      const [event] = yield* told(rig, 2)
      assert.deepInclude(event, { model: "small-1", tokens_used: 120, cost_usd: 0.00014 })
      assert.notInclude(JSON.stringify(event), "six times")
    }))

  it.live("streams the answer's pieces, then the whole as it was kept", () =>
    Effect.gen(function*() {
      const { rig, server } = yield* start
      server.play(pieces(["Forty", "-two, ", "naïve ✓"]))
      const answer = yield* ask(rig, { question: "?", conversation_id: "c", stream: true })
      assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/)
      const events = answer.text.trim().split("\n\n").map((each) => each.split("\n").map((line) => line.replace(/^\w+: /, "")))
      assert.strictEqual(events.filter(([name]) => name === "delta").map(([, data]) => (JSON.parse(data!) as { readonly text: string }).text).join(""), "Forty-two, naïve ✓")
      assert.strictEqual(events.at(-1)?.[0], "answer")
      assert.deepInclude(JSON.parse(events.at(-1)![1]!), { content: "Forty-two, naïve ✓", tokens_used: 120 })
      assert.deepStrictEqual(yield* messages(rig, "c"), [["user", "?"], ["assistant", "Forty-two, naïve ✓"]])
    }))

  const moods: ReadonlyArray<readonly [string, Play, string]> = [
    ["is rate-limited", status(429, { "retry-after": "7" }), "429 advisor-rate-limited"],
    ["fails", status(500), "502 advisor-failed"],
    ["does not take the key", status(401), "502 advisor-refused"],
    ["sends us elsewhere", status(302, { location: "http://169.254.169.254/" }), "502 advisor-refused"],
    ["answers with no JSON", status(200, { "content-type": "text/html" }, "<html>"), "502 advisor-malformed"],
    ["answers with nothing", completion(""), "502 advisor-malformed"],
    ["answers without choices", status(200, { "content-type": "application/json" }, "{\"choices\":[]}"), "502 advisor-malformed"],
    ["answers without end", (response) => { response.writeHead(200, { "content-type": "application/json" }); for (let i = 0; i < 300; i++) response.write("x".repeat(10_000)) }, "502 advisor-malformed"],
    ["hangs up", (response) => response.destroy(), "503 advisor-unreachable"],
    ["breaks off in the middle", pieces(["Forty"], ""), "502 advisor-malformed"],
    ["streams rubbish", pieces(["Forty"], "data: {\n\ndata: [DONE]\n\n"), "502 advisor-malformed"]
  ]
  it.live.each(moods)("says so when the model server %s, and keeps the question", ([, play, refusal]) =>
    Effect.gen(function*() {
      const { rig, server } = yield* start
      server.play(play)
      const answer = yield* ask(rig, { question: "?", conversation_id: "c", message_id: "q1" })
      assert.strictEqual(problemOf(answer), refusal)
      assert.match(String(answer.body["detail"]), /q1 of conversation c/)
      if (refusal.startsWith("429")) assert.strictEqual(answer.headers.get("retry-after"), "7")
      const streamed = yield* ask(rig, { question: "?", conversation_id: "c", message_id: "q1", stream: true })
      assert.include(streamed.text, "event: problem")
      assert.notInclude(streamed.text, "event: answer")
      assert.deepStrictEqual(yield* messages(rig, "c"), [["user", "?"]])
      const events = yield* told(rig, 2)
      assert.deepStrictEqual(events.map(({ metadata }) => metadata), [{ outcome: "failed" }, { outcome: "failed" }])
    }))

  it.live("without a model server, or with a question that is none, says what to do", () =>
    Effect.gen(function*() {
      const rig = yield* makeRig({ side: "local", sessions: { session: "t_aaaaaaaaaaaaaaaa" } })
      assert.strictEqual(problemOf(yield* ask(rig, { question: "?", conversation_id: "c" })), "409 advisor-not-set-up")
      for (const body of [{}, { question: 1 }, { question: "?", stream: "yes" }, { question: "?", model: "" }]) assert.strictEqual(problemOf(yield* ask(rig, body)), "400 invalid-request")
      const session = yield* Effect.promise(() => rig.ask("PUT", "/api/maestra/advisor/key", { key: "sk-2" }, { authorization: "Bearer session" }))
      assert.strictEqual(problemOf(session), "403 operator-only")
    }))
})

describe("the model server's key", () => {
  it.live("is kept in this backend's keystore, goes to the server from there, and is gone when it is taken back", () =>
    Effect.gen(function*() {
      const server = yield* modelServer
      const folder = yield* Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "advisor-"))), (path) => Effect.sync(() => rmSync(path, { recursive: true })))
      const file = join(folder, "keystore.json")
      const askOnce = (change?: string) =>
        Effect.gen(function*() {
          const key = advisorKeyOf(yield* Keystore, "b")
          if (change !== undefined) yield* key.set(Redacted.make(change))
          yield* makeAdvisor({ url: server.url, model: "m" }, { key, sink: { emit: () => Effect.void } }).ask({ messages: [] }, undefined)
          // opened anew each time, as after a restart
        }).pipe(Effect.provide(keyFileLayer(file, { kind: "passphrase", passphrase: Redacted.make("pw"), from: "a test" })))
      yield* askOnce("sk-kept")
      yield* askOnce()
      assert.notInclude(readFileSync(file, "utf8"), "sk-kept")
      yield* askOnce("")
      assert.deepStrictEqual(server.heard.map(({ authorization }) => authorization), ["Bearer sk-kept", "Bearer sk-kept", undefined])
    }))
})

describe("the model server's limits", () => {
  const sink = { emit: () => Effect.void }
  const asking = (url: URL, key = keyInMemory()) => makeAdvisor({ url, model: "m" }, { key, sink }).ask({ messages: [] }, undefined)

  it.effect("one that never answers is given up after a minute", () =>
    Effect.gen(function*() {
      const server = yield* modelServer
      server.play(() => {})
      const asked = yield* Effect.forkChild(Effect.flip(asking(server.url)), { startImmediately: true })
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual((yield* Fiber.join(asked)).type, "advisor-slow")
    }))

  it.live("one that is down is told apart, and a key is never sent in the clear over a network", () =>
    Effect.gen(function*() {
      const server = yield* modelServer
      const key = keyInMemory()
      yield* key.set(Redacted.make("sk-3"))
      yield* asking(new URL(`${server.url.href}/chat/completions/`), key)
      assert.deepInclude(server.heard[0], { path: "/v1/chat/completions", authorization: "Bearer sk-3" })
      // the same server by a name that is not loopback's
      const elsewhere = new URL(server.url)
      elsewhere.hostname = "0.0.0.0"
      yield* asking(elsewhere, key)
      assert.strictEqual(server.heard[1]?.authorization, undefined)
      server.stop()
      assert.strictEqual((yield* Effect.flip(asking(server.url, key))).type, "advisor-unreachable")
    }))
})
