/**
 * Goal: nobody gets in who should not: foreign pages, re-bound names, wrong tokens, floods, endless bodies.
 * Method: raw requests against a running local gateway, with every header a browser or an attacker would send.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { request } from "node:http"
import { connect } from "node:net"
import { bodyMaxBytes } from "../../streams/limits.ts"
import { allowedOrigin, makeRig, type Rig, secret } from "../support/gatewayRig.ts"

interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

/** A request with exactly these headers; `fetch` would not let us lie about Host. */
const raw = (rig: Rig, method: string, path: string, headers: Readonly<Record<string, string>>, body?: Iterable<Uint8Array>) =>
  Effect.promise(() =>
    new Promise<RawAnswer>((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port: rig.port, method, path, headers, setHost: false }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (part: string) => text += part).on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      })
      // the server may close while we still send
      let answered = false
      sent.on("response", () => answered = true).on("error", (error) => answered ? undefined : reject(error))
      for (const part of body ?? []) sent.write(part)
      sent.end()
    }))

/** What a client hears that sends all of its body before it listens, as Python's urllib does, and whether it heard it too early. */
const sentFirst = (rig: Rig, bytes: number) =>
  Effect.promise(async () => {
    const socket = connect(rig.port, "127.0.0.1")
    let heard = ""
    const answered = new Promise<void>((resolve, reject) => socket.on("error", reject).on("data", (part) => {
      heard += part.toString()
      resolve()
    }))
    const send = (part: string | Uint8Array) => new Promise<void>((resolve) => socket.write(part, () => resolve()))
    await send(`POST /import HTTP/1.1\r\nhost: 127.0.0.1:${rig.port}\r\nauthorization: Bearer ${secret}\r\ncontent-length: ${bytes}\r\n\r\n`)
    // answered after the server has seen the beginning of the other
    await rig.ask("GET", "/health")
    const early = heard
    await send(Buffer.alloc(bytes, "x"))
    await answered
    socket.destroy()
    return { early, heard }
  })

const local = makeRig({ side: "local", sessions: { "a session": "t_aaaaaaaaaaaaaaaa" } })
const bearer = { authorization: `Bearer ${secret}` }
const typeOf = (answer: { readonly text: string }) => (JSON.parse(answer.text) as { readonly type: string }).type

/** What anybody may ask. */
const open = new Set(["/health", "/identity", "/register-peer", "/companion-keys", "/owner-sessions"])

/** Method and path of every endpoint in the contract as it is served, with something in each place of a path. */
const endpoints = (rig: Rig) =>
  Effect.map(raw(rig, "GET", "/openapi.json", { host: `127.0.0.1:${rig.port}` }), ({ text }) => {
    const { paths } = JSON.parse(text) as { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
    return Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path.replace(/\{[^}]*\}/g, "x")] as const))
  })

describe("protection", () => {
  it.live("no endpoint answers a foreign page or a re-bound name, whatever token they bring", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const host = `127.0.0.1:${rig.port}`
      const all = yield* endpoints(rig)
      assert.isAtLeast(all.length, 38)
      for (const [method, path] of all) {
        assert.strictEqual((yield* raw(rig, method, path, { host: `evil.example:${rig.port}`, ...bearer })).status, 403, `${method} ${path}`)
        const foreign = yield* raw(rig, method, path, { host, origin: "https://evil.example", ...bearer })
        assert.strictEqual(foreign.status, 403, `${method} ${path}`)
        assert.strictEqual(typeOf(foreign), "urn:maestra:problem:origin-forbidden")
      }
    }))

  it.live("Host must be a loopback name with our port", () =>
    Effect.gen(function*() {
      const rig = yield* local
      for (const host of [`127.0.0.1:${rig.port}`, `localhost:${rig.port}`, `LOCALHOST:${rig.port}`, `[::1]:${rig.port}`]) {
        assert.strictEqual((yield* raw(rig, "GET", "/health", { host })).status, 200, host)
      }
      for (const host of ["evil.example", `evil.example:${rig.port}`, "127.0.0.1", "localhost:1", `127.0.0.1.evil.example:${rig.port}`, ""]) {
        const answer = yield* raw(rig, "GET", "/health", { host, ...bearer })
        assert.strictEqual(answer.status, 403, host)
        assert.strictEqual(typeOf(answer), "urn:maestra:problem:host-forbidden")
      }
    }))

  it.live("only allowed origins get in, and only they get CORS headers", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const host = `127.0.0.1:${rig.port}`
      const good = yield* raw(rig, "GET", "/health", { host, origin: allowedOrigin })
      assert.strictEqual(good.status, 200)
      assert.strictEqual(good.headers["access-control-allow-origin"], allowedOrigin)
      // our own pages: nobody else can serve from this address
      assert.strictEqual((yield* raw(rig, "GET", "/health", { host, origin: `http://localhost:${rig.port}` })).status, 200)
      const programs = yield* raw(rig, "GET", "/health", { host })
      assert.strictEqual(programs.headers["access-control-allow-origin"], undefined)
      for (const origin of ["https://evil.example", "null", `${allowedOrigin}.evil.example`, "http://127.0.0.1:1", "http://localhost", ""]) {
        const bad = yield* raw(rig, "GET", "/health", { host, origin, ...bearer })
        assert.strictEqual(bad.status, 403, origin)
        assert.strictEqual(bad.headers["access-control-allow-origin"], undefined)
      }
      const preflight = yield* raw(rig, "OPTIONS", "/conversations", { host, origin: allowedOrigin, "access-control-request-method": "POST" })
      assert.strictEqual(preflight.status, 204)
      assert.match(String(preflight.headers["access-control-allow-headers"]), /if-match.*maestra-proof/)
      assert.strictEqual((yield* raw(rig, "OPTIONS", "/conversations", { host, origin: "https://evil.example" })).status, 403)
    }))

  it.live("without a good token nothing but health, identity, registration and the contract", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const host = `127.0.0.1:${rig.port}`
      const closed = (yield* endpoints(rig)).filter(([, path]) => !open.has(path))
      // every endpoint of the contract, so that a new one cannot be forgotten
      assert.isAtLeast(closed.length, 35)
      const tokens = ["", "Bearer", "Bearer ", "Bearer wrong", `Bearer ${secret}x`, `Bearer ${secret.slice(0, -1)}`, `Basic ${secret}`, `Bearer ${"x".repeat(9000)}`]
      for (const [method, path] of closed) {
        for (const authorization of path === "/status" ? tokens : ["Bearer wrong"]) {
          const answer = yield* raw(rig, method, path, { host, authorization })
          assert.strictEqual(answer.status, 401, `${method} ${path} ${authorization}`)
          assert.strictEqual(answer.headers["www-authenticate"], "Bearer")
          assert.strictEqual(answer.headers["content-type"], "application/problem+json")
        }
      }
      for (const path of ["/health", "/identity", "/openapi.json", "/docs"]) assert.strictEqual((yield* raw(rig, "GET", path, { host })).status, 200, path)
    }))

  it.live("a session binding token touches conversations, not the machine", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const session = { authorization: "Bearer a session" }
      const ask = (method: string, path: string) => Effect.promise(() => rig.ask(method, path, undefined, session))
      assert.strictEqual((yield* ask("GET", "/conversations")).status, 200)
      for (const [method, path] of [["GET", "/status"], ["POST", "/pause"], ["GET", "/debug"], ["POST", "/rebuild"]] as const) {
        assert.strictEqual((yield* ask(method, path)).body["type"], "urn:maestra:problem:operator-only", path)
      }
    }))

  it.live("/identity proves possession, ten times a second at most", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = (path: string) => Effect.promise(() => rig.ask("GET", path))
      const answer = yield* ask("/identity?challenge=abc")
      assert.strictEqual(answer.body["proof"], "proof of abc")
      assert.strictEqual(answer.body["signature"], "proof of abc")
      assert.strictEqual((yield* ask("/identity")).body["proof"], null)
      assert.strictEqual((yield* ask(`/identity?challenge=${"x".repeat(256)}`)).status, 200)
      assert.strictEqual((yield* ask(`/identity?challenge=${"x".repeat(257)}`)).status, 400)
      assert.strictEqual((yield* ask(`/identity?challenge=${encodeURIComponent("é".repeat(129))}`)).status, 400)
      const began = yield* Clock.currentTimeMillis
      const many = yield* Effect.all(Array.from({ length: 200 }, () => ask("/identity?challenge=abc")), { concurrency: 30 })
      const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000
      const refused = many.filter(({ status }) => status === 429)
      // a full second's worth at most, and what a busy machine makes room for while they are asked
      assert.isAtMost(many.length - refused.length, 10 * (1 + Math.ceil(seconds)))
      assert.strictEqual(refused[0]?.headers.get("retry-after"), "1")
    }))

  it.live("a body over the limit is refused, announced or not", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const headers = { host: `127.0.0.1:${rig.port}`, ...bearer }
      const announced = yield* raw(rig, "POST", "/import", { ...headers, "content-length": String(bodyMaxBytes + 1) })
      assert.strictEqual(typeOf(announced), "urn:maestra:problem:body-too-large")
      // who sends all of it before it listens, and would stop at a closed connection, hears why
      const patient = yield* sentFirst(rig, bodyMaxBytes + 1)
      assert.strictEqual(patient.early, "")
      assert.match(patient.heard, /^HTTP\/1\.1 413 /)
      const whole = yield* Effect.promise(() => rig.ask("POST", "/import", new Uint8Array(bodyMaxBytes).fill(10)))
      assert.strictEqual(whole.status, 200)
      const streamed = yield* Effect.promise(() =>
        fetch(`${rig.url}/import`, {
          method: "POST",
          headers: bearer,
          body: new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(65_536))
          }),
          duplex: "half"
        } as RequestInit).then((response) => response.status, () => "closed"))
      assert.include([413, "closed"], streamed)
    }))

  it.live("what is not there is a problem, and so is a path nobody can read", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = (method: string, path: string) => Effect.promise(() => rig.ask(method, path))
      assert.strictEqual((yield* ask("GET", "/nothing")).body["type"], "urn:maestra:problem:no-such-endpoint")
      assert.strictEqual((yield* ask("DELETE", "/health")).status, 404)
      assert.strictEqual((yield* ask("POST", "/enroll")).status, 404)
      assert.strictEqual((yield* ask("GET", "/conversations/%FF")).status, 404)
    }))
})
