/**
 * Goal: on hosted a session reaches its own tenant only, and the operator everything but a pen for conversations.
 * Method: two tenants and the admin token against a running hosted gateway.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { listOf, makeRig, median, problemOf, type Rig, secret } from "../support/gatewayRig.ts"

const ada = "t_aaaaaaaaaaaaaaaa"
const bob = "t_bbbbbbbbbbbbbbbb"
const sessions: Record<string, string> = { "ada's": ada, "bob's": bob }
const hosted = makeRig({ side: "hosted", sessions })

const asking = (rig: Rig) => (...request: Parameters<Rig["ask"]>) => Effect.promise(() => rig.ask(...request))
const as = (session: string) => ({ authorization: `Bearer ${session}` })

describe("hosted", () => {
  it.live("each session sees its own tenant, whatever it asks for", () =>
    Effect.gen(function*() {
      const ask = asking(yield* hosted)
      const written = yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "ada" }, as("ada's"))
      assert.deepStrictEqual(written.body["reached"], { tier: "hosted", missing: [] })
      yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "bob" }, as("bob's"))
      for (const [session, content] of [["ada's", "ada"], ["bob's", "bob"]] as const) {
        for (const query of ["", `?tenant=${ada}`, `?tenant=${bob}`]) {
          const read = yield* ask("GET", `/conversations/c${query}`, undefined, as(session))
          assert.strictEqual(listOf(read.body, "messages")[0]!["content"], content)
        }
      }
      const imported = yield* ask("POST", "/import", `{"conversation_id":"c","messages":[{"id":"m","role":"user","text":"bob"}]}`, as("bob's"))
      assert.strictEqual(imported.body["unchanged"], 1)
    }))

  it.live("the operator hears that something happened at any tenant, and nothing of what", () =>
    Effect.gen(function*() {
      const rig = yield* hosted
      const ask = asking(rig)
      yield* ask("POST", "/conversations/c/messages", { id: "m0", role: "user", content: "before" }, as("ada's"))
      const { body } = yield* Effect.promise(() => fetch(`${rig.url}/events`, { headers: as(secret) }))
      const reader = body!.pipeThrough(new TextDecoderStream()).getReader()
      yield* ask("POST", "/conversations/secret-plan/messages", { id: "m", role: "user", content: "very private" }, as("bob's"))
      let text = ""
      while (!text.includes("event: changed")) text += (yield* Effect.promise(() => reader.read())).value ?? assert.fail("the stream ended")
      assert.match(text, /data: \{"id":"[^"]+","type":"changed","subject":"[a-z]+"\}/)
      assert.notMatch(text, /secret-plan|private|t_bbbb/)
      yield* Effect.promise(() => reader.cancel())
    }))

  it.live("the operator reads the tenant it names, and writes nothing", () =>
    Effect.gen(function*() {
      const ask = asking(yield* hosted)
      yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "ada" }, as("ada's"))
      for (const path of ["/conversations", "/conversations/c", "/conversations/c/messages/m/history", "/conflicts", "/digest", "/export"]) {
        assert.strictEqual((yield* ask("GET", `${path}?tenant=${ada}`)).status, 200, path)
        assert.strictEqual(problemOf(yield* ask("GET", path)), "400 tenant-missing")
        assert.strictEqual(problemOf(yield* ask("GET", `${path}?tenant=self`)), "400 tenant-missing")
      }
      assert.lengthOf(listOf((yield* ask("GET", `/conversations?tenant=${bob}`)).body, "conversations"), 0)
      // what was counted, of everybody too
      for (const path of ["/telemetry", "/telemetry/rollups"]) {
        assert.strictEqual((yield* ask("GET", path)).status, 200, path)
        assert.strictEqual(problemOf(yield* ask("GET", `${path}?tenant=self`)), "400 tenant-missing")
      }
      for (const [method, path] of [
        ["POST", "/conversations"], ["PATCH", "/conversations/c"], ["DELETE", "/conversations/c"], ["POST", "/conversations/c/messages"],
        ["PUT", "/conversations/c/messages/m"], ["DELETE", "/conversations/c/messages/m"], ["POST", "/conversations/c/messages/m/restore"], ["POST", "/import"]
      ] as const) {
        assert.strictEqual(problemOf(yield* ask(method, `${path}?tenant=${ada}`)), "403 read-only", `${method} ${path}`)
      }
    }))

  it.live("a write through a session names whose it is, and its trace", () =>
    Effect.gen(function*() {
      const rig = yield* hosted
      const ask = asking(rig)
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      yield* ask("POST", "/conversations/c/messages", { role: "user", content: "x" }, { ...as("ada's"), traceparent })
      yield* ask("POST", "/import", `{"conversation_id":"d","messages":[]}`, { ...as("ada's"), traceparent: "nonsense" })
      const [sent, imported] = rig.knobs.calls.map(([draft]) => draft!)
      assert.deepStrictEqual([sent!.via, sent!.traceparent], [`local_sha256_${"1".repeat(64)}`, traceparent])
      assert.deepStrictEqual([imported!.via, imported!.traceparent], [sent!.via, undefined])
    }))

  it.live("a session that is revoked hears nothing more within a second", () =>
    Effect.gen(function*() {
      const rig = yield* hosted
      const took: Array<number> = []
      for (const short of ["short 1", "short 2", "short 3"]) {
        sessions[short] = ada
        const response = yield* Effect.promise(() => fetch(`${rig.url}/events`, { headers: as(short) }))
        assert.strictEqual(response.status, 200)
        delete sessions[short]
        const before = yield* Clock.currentTimeMillis
        yield* Effect.promise(() => response.text())
        took.push((yield* Clock.currentTimeMillis) - before)
      }
      assert.isBelow(median(took), 1000, `${took.join(", ")} ms`)
    }))

  it.live("operating is for the admin token alone", () =>
    Effect.gen(function*() {
      const ask = asking(yield* hosted)
      assert.strictEqual((yield* ask("POST", "/enroll", { user: "carol" })).body["user_id"], "carol")
      assert.strictEqual((yield* ask("POST", "/enroll", {})).body["field"], "user")
      assert.lengthOf(listOf((yield* ask("GET", "/peers")).body, "peers"), 1)
      assert.strictEqual((yield* ask("DELETE", "/peers/peer_0123456789abcdef?cause=lost")).status, 200)
      assert.strictEqual((yield* ask("DELETE", "/peers/peer_0123456789abcdef?cause=boredom")).status, 400)
      assert.strictEqual((yield* ask("GET", "/status")).body["tenants"], 1)
      assert.strictEqual(problemOf(yield* ask("POST", "/verify")), "400 tenant-missing")
      assert.strictEqual(problemOf(yield* ask("POST", `/verify?tenant=${ada}`)), "404 tenant-unknown")
      assert.include((yield* ask("POST", `/verify?tenant=${bob}`)).text, bob)
      for (const [method, path] of [["POST", "/enroll"], ["GET", "/peers"], ["DELETE", "/peers/p"], ["GET", "/status"], ["POST", "/verify"], ["POST", "/rebuild"]] as const) {
        assert.strictEqual(problemOf(yield* ask(method, path, undefined, as("ada's"))), "403 operator-only", path)
        assert.strictEqual(problemOf(yield* ask(method, path, undefined, as("nobody's"))), "401 token-expired", path)
      }
      for (const path of ["/pair", "/pause", "/debug"]) assert.strictEqual((yield* ask("POST", path)).status, 404)
    }))

  const token = {
    session_id: "sess_1", local_backend_id: `ios_sha256_${"0".repeat(64)}`, hosted_backend_id: `hosted_sha256_${"0".repeat(64)}`, user_id: "ada",
    created_at: "2026-11-22T10:00:00.000Z", expires_at: "2026-11-22T11:00:00.000Z", signature: "0".repeat(64)
  }

  it.live("registering answers what the backend decides, with its status and name", () =>
    Effect.gen(function*() {
      const ask = asking(yield* hosted)
      const body = { backend_identity: {}, sbt: "good", proof: "p" }
      assert.strictEqual((yield* ask("POST", "/register-peer", body, { authorization: "" })).body["status"], "registered")
      const erased = yield* ask("POST", "/register-peer", { ...body, sbt: "other" })
      assert.strictEqual(problemOf(erased), "410 tenant-erased")
      assert.strictEqual(erased.body["hint"], "Everything of this user was erased.")
      // the token itself is as good as its bearer, which the backend judges
      assert.strictEqual(problemOf(yield* ask("POST", "/register-peer", { ...body, sbt: token })), "410 tenant-erased")
      for (const bad of [{}, { ...body, sbt: 1 }, { ...body, sbt: { ...token, signature: undefined } }, { ...body, proof: "p".repeat(513) }, "nonsense"]) {
        assert.strictEqual((yield* ask("POST", "/register-peer", bad)).status, 400)
      }
    }))
})
