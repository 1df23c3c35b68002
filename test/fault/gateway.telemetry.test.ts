// Goal: telemetry over HTTP and WebSocket: acknowledged when stored, one bad frame is its own fault, and nobody streams who may not.
// Method: the real gateway and tables over a log in memory; a real WebSocket client that also misbehaves.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { request } from "node:http"
import { frameMaxBytes, telemetryDepthMax, telemetryEventMaxBytes } from "../../streams/limits.ts"
import { allowedOrigin, listOf, makeRig, partOf, problemOf, type Rig, secret } from "../support/gatewayRig.ts"
import { ownPeer } from "../support/memoryVisitors.ts"
import { event, openTelemetry } from "../support/telemetrySocket.ts"

const local = makeRig({ side: "local", sessions: { session: "t_aaaaaaaaaaaaaaaa" } })
const wire = <A>(run: () => Promise<A>) => Effect.promise(run)
const address = (rig: Rig, peer = ownPeer) => `${rig.url}/telemetry/${peer}`
const bySubprotocol = { protocols: ["maestra.v1", "sbt.session"] }
const open = (rig: Rig, options: Parameters<typeof openTelemetry>[1] = bySubprotocol, peer?: string) => wire(() => openTelemetry(address(rig, peer), options))
const ids = (rig: Rig, query = "") => Effect.map(wire(() => rig.ask("GET", `/telemetry${query}`)), ({ body }) => listOf(body, "events").map((each) => each["event_id"]))
const ticketFor = (rig: Rig, peer = ownPeer) => Effect.map(wire(() => rig.ask("POST", `/telemetry/${peer}/ticket`)), ({ body }) => String(body["ticket"]))

/** The status a handshake is answered with. */
const handshake = (rig: Rig, headers: Readonly<Record<string, string>>, path = `/telemetry/${ownPeer}`) =>
  wire(() => new Promise<{ readonly status: number; readonly protocol: string | undefined }>((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port: rig.port, path, headers: { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", ...headers } })
    sent.on("response", (response) => { response.resume(); resolve({ status: response.statusCode ?? 0, protocol: undefined }) })
    sent.on("upgrade", (response, socket) => { socket.destroy(); resolve({ status: 101, protocol: response.headers["sec-websocket-protocol"] }) })
    sent.on("error", reject).end()
  }))

describe("WS /telemetry/{peer_id}", () => {
  it.live("acknowledges what is stored, once however often it is sent", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const socket = yield* open(rig)
      assert.strictEqual(socket.protocol, "maestra.v1")
      for (const id of ["a", "b", "a"]) socket.send(event(id))
      assert.deepStrictEqual(yield* wire(() => socket.next(3)), ["a", "b", "a"].map((event_id) => ({ status: "acked" as const, event_id })))
      assert.deepStrictEqual(yield* ids(rig), ["a", "b"])
      socket.close()
      assert.strictEqual((yield* wire(() => socket.closed)).code, 1000)
    }))

  it.live("a bad frame says why and costs no other", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const socket = yield* open(rig)
      const deep = JSON.parse("[".repeat(telemetryDepthMax + 2) + "]".repeat(telemetryDepthMax + 2)) as unknown
      const bad: ReadonlyArray<readonly [string | Uint8Array<ArrayBuffer> | object, RegExp, string]> = [
        ["{", /not JSON/, ""],
        [new Uint8Array([123, 125]), /binary/, ""],
        ["[]", /./, ""],
        [{ ...event("no-type"), event_type: "" }, /event_type/, "no-type"],
        [{ ...event("x"), event_id: 7 }, /event_id/, ""],
        [event("lone", { event_type: "\ud800" }), /surrogate/, "lone"],
        [event("deep", { metadata: { deep } }), /nested/, "deep"],
        [event("large", { metadata: { text: "x".repeat(telemetryEventMaxBytes) } }), /larger/, "large"],
        [event("nan", { latency_ms: "soon" }), /latency_ms/, "nan"]
      ]
      for (const [i, [frame]] of bad.entries()) {
        socket.send(frame)
        socket.send(event(`good-${i}`))
      }
      const answers = yield* wire(() => socket.next(2 * bad.length))
      for (const [i, [, why, id]] of bad.entries()) {
        assert.strictEqual(answers[2 * i]?.status, "rejected", id)
        assert.strictEqual(answers[2 * i]?.event_id, id)
        assert.match(answers[2 * i]?.error ?? "", why)
        assert.deepStrictEqual(answers[2 * i + 1], { status: "acked", event_id: `good-${i}` })
      }
      assert.deepStrictEqual(yield* ids(rig), bad.map((_, i) => `good-${i}`))
      // only what the protocol itself forbids ends it
      socket.send("x".repeat(frameMaxBytes + 1))
      assert.strictEqual((yield* wire(() => socket.closed)).code, 1009)
    }))

  it.live("holds up a client that sends faster than it is answered, and loses nothing", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const socket = yield* open(rig)
      const count = 3000
      const padding = "x".repeat(1000)
      for (let i = 0; i < count; i++) socket.send(event(`e${i}`, { metadata: { padding } }))
      const answers = yield* wire(() => socket.next(count))
      assert.deepStrictEqual(answers.map(({ event_id }) => event_id), Array.from({ length: count }, (_, i) => `e${i}`))
      assert.isTrue(answers.every(({ status }) => status === "acked"))
    }))

  it.live("a ticket opens one connection, for its own peer", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ticket = yield* ticketFor(rig)
      const path = `/telemetry/${ownPeer}?ticket=${ticket}`
      // used on the wrong door it is spent all the same: whoever tried had it
      const other = yield* ticketFor(rig)
      assert.strictEqual((yield* handshake(rig, {}, `/telemetry/peer_ffffffffffffffff?ticket=${other}`)).status, 401)
      assert.strictEqual((yield* handshake(rig, {}, path)).status, 101)
      assert.strictEqual((yield* handshake(rig, {}, path)).status, 401)
      assert.strictEqual((yield* handshake(rig, {}, `/telemetry/${ownPeer}?ticket=made-up`)).status, 401)
      assert.strictEqual((yield* handshake(rig, {}, `/telemetry/${ownPeer}?ticket=${"x".repeat(500)}`)).status, 401)
      assert.strictEqual(problemOf(yield* wire(() => rig.ask("POST", "/telemetry/peer_ffffffffffffffff/ticket"))), "403 peer-not-own")
    }))

  it.live("lets nobody in without a good credential, from a foreign page, or under a foreign name; and names no token back", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const good = { "sec-websocket-protocol": "maestra.v1, sbt.session" }
      assert.deepStrictEqual(yield* handshake(rig, good), { status: 101, protocol: "maestra.v1" })
      assert.deepStrictEqual(yield* handshake(rig, { "sec-websocket-protocol": "sbt.session, maestra.v1" }), { status: 101, protocol: "maestra.v1" })
      assert.deepStrictEqual(yield* handshake(rig, { authorization: "Bearer session" }), { status: 101, protocol: undefined })
      assert.strictEqual((yield* handshake(rig, { ...good, origin: allowedOrigin })).status, 101)
      const refused: ReadonlyArray<readonly [number, Readonly<Record<string, string>>]> = [
        [401, {}],
        [401, { "sec-websocket-protocol": "maestra.v1" }],
        [401, { "sec-websocket-protocol": "sbt.session" }],
        [401, { "sec-websocket-protocol": "maestra.v1, sbt.wrong" }],
        [401, { authorization: "Bearer wrong" }],
        [403, { ...good, origin: "https://evil.example" }],
        [403, { ...good, origin: "null" }],
        [403, { ...good, host: `evil.example:${rig.port}` }]
      ]
      for (const [status, headers] of refused) assert.strictEqual((yield* handshake(rig, headers)).status, status, JSON.stringify(headers))
      assert.strictEqual((yield* handshake(rig, good, "/telemetry/peer_ffffffffffffffff")).status, 403)
      assert.strictEqual(problemOf(yield* wire(() => rig.ask("GET", `/telemetry/${ownPeer}`))), "426 upgrade-required")
    }))

  it.live("says why it closes: the token ended, or the backend stops; what was sent before is stored", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const sessions: Record<string, string> = { session: "t_aaaaaaaaaaaaaaaa" }
      const rig = yield* Scope.provide(makeRig({ side: "local", sessions }), scope)
      const session = yield* open(rig, { protocols: ["maestra.v1", "sbt.session"] })
      delete sessions["session"]
      assert.deepInclude(yield* wire(() => session.closed), { code: 1008 })
      const socket = yield* open(rig, { headers: { authorization: `Bearer ${secret}` } })
      for (let i = 0; i < 50; i++) socket.send(event(`e${i}`))
      const answered = socket.next(50)
      yield* wire(() => answered)
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(yield* wire(() => socket.closed), { code: 1001, reason: "the backend stops; connect again in a moment" })
    }))
})

describe("telemetry over HTTP", () => {
  it.live("fills in what is left out; one bad event is refused, of several each has its answer", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const emit = (body: unknown) => wire(() => rig.ask("POST", "/telemetry", body))
      const one = yield* emit({ event_type: "capture" })
      assert.strictEqual(listOf(one.body, "results")[0]?.["status"], "acked")
      const [shown] = listOf((yield* wire(() => rig.ask("GET", "/telemetry"))).body, "events")
      assert.deepInclude(shown, { event_type: "capture", session_id: "", source_backend: "local", metadata: {}, peer_id: "self" })
      assert.strictEqual(problemOf(yield* emit({ event_type: "" })), "400 invalid-request")
      assert.strictEqual(problemOf(yield* emit({ events: "many" })), "400 invalid-request")
      const mixed = yield* emit({ events: [{ event_type: "a" }, { event_id: "bad" }, { event_type: "b" }] })
      assert.deepStrictEqual(listOf(mixed.body, "results").map(({ status }) => status), ["acked", "rejected", "acked"])
    }))

  it.live("lists by source, type and time, page by page, and adds up by the hour", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const events = Array.from({ length: 25 }, (_, i) => event(`e${i}`, { event_type: i % 2 === 0 ? "a b" : "c", source_backend: i % 5 === 0 ? "web" : "local", timestamp: `2026-11-22T${String(i % 3).padStart(2, "0")}:00:00Z`, latency_ms: i }))
      yield* wire(() => rig.ask("POST", "/telemetry", { events }))
      assert.lengthOf(yield* ids(rig, "?type=a%20b"), 13)
      assert.lengthOf(yield* ids(rig, "?source=web"), 5)
      assert.lengthOf(yield* ids(rig, "?since=2026-11-22T02:00:00Z"), 8)
      const paged: Array<unknown> = []
      for (let cursor = ""; ;) {
        const { body } = yield* wire(() => rig.ask("GET", `/telemetry?limit=4${cursor}`))
        paged.push(...listOf(body, "events").map((each) => each["event_id"]))
        if (body["next_cursor"] === null) break
        cursor = `&cursor=${String(body["next_cursor"])}`
      }
      assert.deepStrictEqual(paged, events.map(({ event_id }) => event_id))
      const { body } = yield* wire(() => rig.ask("GET", "/telemetry/rollups?since=2026-11-22T01:30:00Z"))
      assert.deepStrictEqual(listOf(body, "hours").map(({ event_type, events, hour, latency_ms_max }) => [hour, event_type, events, latency_ms_max]), [
        ["2026-11-22T01", "a b", 4, 22], ["2026-11-22T01", "c", 4, 19], ["2026-11-22T02", "a b", 4, 20], ["2026-11-22T02", "c", 4, 23]
      ])
      for (const query of ["since=yesterday", "cursor=made-up", "limit=0", "limit=5000"]) {
        assert.strictEqual((yield* wire(() => rig.ask("GET", `/telemetry?${query}`))).status, 400, query)
      }
    }))

  it.live("a device's writes are limited to a minute's worth, and say how much is left", () =>
    Effect.gen(function*() {
      const rig = yield* makeRig({ side: "hosted", sessions: { session: "t_aaaaaaaaaaaaaaaa" } })
      const session = { authorization: "Bearer session" }
      const write = wire(() => rig.ask("POST", "/conversations/c/messages", { role: "user", content: "x" }, session))
      const began = performance.now()
      const first = yield* write
      assert.strictEqual(first.headers.get("ratelimit-policy"), "\"syncs\";q=100;w=60")
      assert.match(first.headers.get("ratelimit") ?? "", /^"syncs";r=99;t=1$/)
      let granted = 1
      let refused = yield* write
      for (; refused.status === 201; refused = yield* write) granted++
      // what flows in while they are written comes on top: 100 a minute
      const flowedIn = Math.ceil((performance.now() - began) * 100 / 60_000)
      assert.isAtLeast(granted, 100)
      assert.isAtMost(granted, 100 + flowedIn)
      assert.strictEqual(problemOf(refused), "429 rate-limited")
      assert.strictEqual(refused.headers.get("retry-after"), "1")
      assert.strictEqual(refused.headers.get("ratelimit-policy"), "\"syncs\";q=100;w=60")
      assert.strictEqual(refused.headers.get("ratelimit"), "\"syncs\";r=0;t=1")
      // telemetry has a limit of its own
      const told = yield* wire(() => rig.ask("POST", "/telemetry", { event_type: "capture" }, session))
      assert.match(told.headers.get("ratelimit") ?? "", /^"telemetry";r=\d+;t=\d+$/)
      // reading is free
      assert.strictEqual((yield* wire(() => rig.ask("GET", "/conversations", undefined, session))).status, 200)
      assert.strictEqual(partOf({ part: refused.body }, "part")["retry_after_s"], 1)
    }))
})
