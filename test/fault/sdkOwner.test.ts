// Goal: a page uses a backend as its owner or operator through the SDK: every call reaches an endpoint, events survive interruptions, sessions end.
// Method: the SDK against running gateways over ports in memory; its fetch is watched, cut and given what a sleeping laptop gets.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { TestClock } from "effect/testing"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HostedApi, LocalApi } from "../../src/gateway/http/api.ts"
import { issueOwnerSession } from "../../src/gateway/http/ownerSession.ts"
import {
  type Access, advisorOf, companionCode, conversationsOf, endOperatorSession, endOwnerSession, hostedBackend, localBackend, type LogEvent, openOwnerSession, renewOperatorSession, renewOwnerSession, requestsTo, subscribeTo, upkeepOf
} from "../../src/sdk/typescript/owner/index.ts"
import { defaultPlatform, type Platform } from "../../src/sdk/typescript/platform.ts"
import { MaestraError } from "../../src/sdk/typescript/problems.ts"
import { openEndedSessions } from "../../src/local/endedSessions.ts"
import { makeRig, secret } from "../support/gatewayRig.ts"
import { until } from "../support/world.ts"

const local = makeRig({ side: "local" })
const hosted = makeRig({ side: "hosted" })
const tenant = "t_bbbbbbbbbbbbbbbb"

const problemOf = (call: Promise<unknown>) => call.then(() => assert.fail("it went through"), (cause: unknown) => cause instanceof MaestraError ? cause : assert.fail(String(cause)))

/** What was asked, as `GET /path`. */
const watched = () => {
  const asked: Array<string> = []
  const fetching: typeof fetch = (input, init) => {
    asked.push(`${init?.method} ${new URL(String(input)).pathname}`)
    return fetch(input, init)
  }
  return { asked, fetching }
}

/** Requests that no endpoint of the contract takes. */
const strangers = (asked: ReadonlyArray<string>, spec: OpenApi.OpenAPISpec) => {
  const endpoints = Object.entries(spec.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => new RegExp(`^${method.toUpperCase()} ${path.replace(/\{[^}]*\}/g, "[^/]+")}$`)))
  return asked.filter((one) => !endpoints.some((endpoint) => endpoint.test(one)))
}

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-sessions-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })))

const everyCall = (...parts: ReadonlyArray<object>) =>
  parts.flatMap((part) => Object.values(part)).filter((one): one is (...given: ReadonlyArray<unknown>) => Promise<unknown> => typeof one === "function")

describe("the owner's client", () => {
  it.live("imports, exports, checks, tells and lists telemetry", () =>
    Effect.gen(function*() {
      const rig = yield* local
      yield* Effect.promise(async () => {
        const upkeep = upkeepOf({ url: rig.url, token: secret }, { surface: "web" })
        assert.strictEqual((await upkeep.importLines(`{"conversation_id":"i","messages":[{"role":"user","content":"x"}]}\n`)).messages, 1)
        let exported = ""
        for await (const part of (await upkeep.exportStream()).pipeThrough(new TextDecoderStream())) exported += part
        assert.match(exported, /^\{"conversation_id":"i"/)
        let archive = ""
        for await (const part of (await upkeep.archiveStream()).pipeThrough(new TextDecoderStream())) archive += part
        for (const held of ["README.md", "conversations", "SHA256SUMS"]) assert.include(archive, held)
        assert.strictEqual((await upkeep.digest()).messages, 1)
        const seen: Array<number> = []
        assert.isTrue((await upkeep.verify(({ at }) => seen.push(at))).done)
        assert.deepStrictEqual(seen, [1, 2])
        assert.strictEqual((await problemOf(upkeep.rebuild())).kind, "unreachable")
        assert.deepStrictEqual((await upkeep.telemetry({ type: "none" })).items, [])
      })
    }))

  it.live("every call of owner and operator reaches an endpoint of the contract", () =>
    Effect.gen(function*() {
      const { asked, fetching } = watched()
      const run = async (calls: ReturnType<typeof everyCall>) => {
        asked.length = 0
        await Promise.allSettled(calls.map((one) => one({})))
        assert.isAtLeast(asked.length, calls.length)
        return asked
      }
      const mine: Access = { url: (yield* local).url, token: secret, fetch: fetching }
      const { conversations, listen: _, ...backend } = localBackend(mine, "web")
      const own = everyCall(conversations, backend, upkeepOf(mine, { surface: "web" }), advisorOf(mine), { renew: () => renewOwnerSession(mine), end: () => endOwnerSession(mine), code: () => companionCode(mine) })
      assert.deepStrictEqual(strangers(yield* Effect.promise(() => run(own)), OpenApi.fromApi(LocalApi)), [])
      const theirs: Access = { ...mine, url: (yield* hosted).url }
      const { listen: __, ...operator } = hostedBackend(theirs)
      assert.deepStrictEqual(strangers(yield* Effect.promise(() => run(everyCall(operator, { renew: () => renewOperatorSession(theirs), end: () => endOperatorSession(theirs) }, upkeepOf(theirs, { surface: "web", tenant })))), OpenApi.fromApi(HostedApi)), [])
      assert.strictEqual((yield* Effect.promise(() => operator.enroll("ada"))).code, "a code")
      assert.deepStrictEqual((yield* Effect.promise(() => conversationsOf(requestsTo(theirs), { surface: "web", tenant }).list({ limit: 1 }))).items, [])
    }))

  it.live("a session by a code of `maestra local open` may what the local token may; no other text does", () =>
    Effect.gen(function*() {
      const rig = yield* local
      yield* Effect.promise(async () => {
        assert.strictEqual((await problemOf(openOwnerSession(rig, "bad"))).status, 409)
        const { expires_at, token } = await openOwnerSession(rig, "good")
        assert.isBelow(Date.parse(expires_at) - Date.now(), 8 * 3_600_000 + 1000)
        const statusWith = (token: string) => localBackend({ url: rig.url, token }, "web").status()
        assert.strictEqual((await statusWith(token)).state, "not_paired")
        assert.strictEqual((await statusWith((await renewOwnerSession({ url: rig.url, token })).token)).state, "not_paired")
        const now = Date.now()
        const [, until, nonce, mac] = token.split(".")
        const bad = [
          issueOwnerSession(secret, now - 9 * 3_600_000).token, issueOwnerSession("another secret", now).token,
          `owner.${Number(until) + 1}.${nonce}.${mac}`, `owner.${until}.${nonce}.${"A".repeat(43)}`, token.slice(0, -1), `owner.${until}.${nonce}.`
        ]
        for (const one of bad) assert.strictEqual((await problemOf(statusWith(one))).status, 401, one)
      })
    }))

  it.live("a page that is locked ends its session: all its tokens, its open stream, and no other page's", () =>
    Effect.gen(function*() {
      const rig = yield* local
      yield* Effect.promise(async () => {
        const enter = () => openOwnerSession(rig, "good")
        const [{ token: first }, { token: other }] = [await enter(), await enter()]
        const { token } = await renewOwnerSession({ url: rig.url, token: first })
        assert.notStrictEqual(token, first)
        const stream = await fetch(`${rig.url}/events`, { headers: { authorization: `Bearer ${first}` } })
        assert.strictEqual((await endOwnerSession({ url: rig.url, token })).status, "ended")
        const statusWith = (token: string) => localBackend({ url: rig.url, token }, "web").status()
        for (const gone of [first, token]) assert.strictEqual((await problemOf(statusWith(gone))).status, 401)
        await stream.text()
        // the local token is no session
        await endOwnerSession({ url: rig.url, token: secret })
        for (const good of [other, secret]) assert.strictEqual((await statusWith(good)).state, "not_paired")
        // `maestra local lock`: every page, wherever it is; one that comes in afterwards is in
        assert.strictEqual((await rig.ask("POST", "/owner-sessions/end?all=true")).body["status"], "ended")
        assert.strictEqual((await problemOf(statusWith(other))).status, 401)
        const at = Date.now()
        await until(() => Date.now() > at, 1000)
        assert.strictEqual((await statusWith((await enter()).token)).state, "not_paired")
        assert.lengthOf((await rig.ask("GET", "/audit?limit=100")).text.match(/owner_session\.ended/g) ?? [], 2)
      })
    }))

  it.effect("what was ended stays so after a restart, and is forgotten once no token of it can hold", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const file = join(folder, "ended-sessions.json")
      yield* (yield* openEndedSessions(folder)).end("one")
      yield* TestClock.adjust("8 hours")
      const again = yield* openEndedSessions(folder)
      assert.deepStrictEqual([again.has("one", 0), again.has("two", 0)], [true, false])
      yield* TestClock.adjust("2 hours")
      yield* again.end("two")
      assert.deepStrictEqual([again.has("one", 0), again.has("two", 0)], [false, true])
      yield* again.end(undefined)
      const now = 10 * 3_600_000
      assert.deepStrictEqual([again.has("three", now), again.has("three", now + 1)], [true, false])
      assert.notInclude(readFileSync(file, "utf8"), "one")
      writeFileSync(file, "no list")
      assert.include((yield* Effect.flip(openEndedSessions(folder))).hint, "Remove it")
    }))

  it.live("on hosted the admin token rules alone: a session of that make opens nothing", () =>
    Effect.gen(function*() {
      const rig = yield* hosted
      const { token } = issueOwnerSession(secret, Date.now())
      assert.strictEqual((yield* Effect.promise(() => problemOf(hostedBackend({ url: rig.url, token }).status()))).status, 401)
    }))
})

/** Pauses and silences that last a moment. */
const quick: Platform["sleep"] = (millis, signal) => defaultPlatform.sleep(Math.min(millis, 50), signal)
const source = (url: string, more: Partial<Platform> = {}, token = secret) => ({ url, bearer: async () => token, platform: { ...defaultPlatform, ...more } })

describe("subscribe", () => {
  it.live("tells each event once and in order, over cut connections, and from a cursor on", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const cuts: Array<() => void> = []
      /** Streams that can be cut in the middle, and then repeat what they told last. */
      const fetching: typeof fetch = async (input, init) => {
        const connection = new AbortController()
        const headers = new Headers(init?.headers)
        const last = headers.get("last-event-id")
        if (last !== null) headers.set("last-event-id", String(Math.max(0, Number(last) - 1)))
        cuts.push(() => connection.abort())
        return fetch(input, { ...init, headers, signal: AbortSignal.any([connection.signal, ...init?.signal ? [init.signal] : []]) })
      }
      const { conversations } = localBackend({ url: rig.url, token: secret }, "web")
      const say = (id: string, content: string) => conversations.append(id, { id: `m${content}`, role: "user", content })
      const heard: Array<LogEvent> = []
      const states: Array<string> = []
      let cursor = ""
      yield* Effect.promise(async () => {
        await say("before", "0")
        const stop = subscribeTo(source(rig.url, { fetch: fetching, sleep: quick }), {
          from: "start",
          onEvent: (event, at) => {
            heard.push(event)
            cursor = at
          },
          onState: (problem) => states.push(problem?.kind ?? "open")
        })
        for (let n = 1; n <= 6; n++) {
          await say("during", String(n))
          if (n % 2 !== 0) continue
          await until(() => heard.length > n, 10_000)
          cuts.at(-1)!()
        }
        await until(() => heard.length >= 7, 10_000)
        stop()
        await say("after", "7")
        assert.deepStrictEqual(heard.map(({ data }) => data["content"]), ["0", "1", "2", "3", "4", "5", "6"])
        assert.isAtLeast(cuts.length, 3)
        assert.include(states, "unreachable")
        const more: Array<unknown> = []
        const end = subscribeTo(source(rig.url), { from: cursor, subject: "after", onEvent: ({ data }) => void more.push(data["content"]) })
        await until(() => more.length > 0, 10_000)
        end()
        assert.deepStrictEqual(more, ["7"])
      })
    }))

  it.live("comes back from silence, and ends where it is refused or its listener fails", () =>
    Effect.gen(function*() {
      const rig = yield* local
      yield* Effect.promise(async () => {
        let asked = 0
        const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({})
        // the first connection says nothing at all, as after a sleep; waiting takes no time
        const fetching: typeof fetch = async (input, init) => {
          if (asked++ > 0) return fetch(input, init)
          init?.signal?.addEventListener("abort", () => void endless.cancel().catch(() => undefined))
          return new Response(endless.pipeThrough(new TransformStream(), init?.signal ? { signal: init.signal } : {}))
        }
        const heard: Array<string> = []
        const stop = subscribeTo(source(rig.url, { fetch: fetching, sleep: quick }), { from: "start", onEvent: ({ type }) => void heard.push(type) })
        await localBackend({ url: rig.url, token: secret }, "web").conversations.append("c", { id: "x", role: "user", content: "x" })
        await until(() => heard.length > 0, 10_000)
        stop()
        for (const [token, onEvent] of [["wrong", () => undefined], [secret, () => { throw new Error("no") }]] as const) {
          const ended = await new Promise<MaestraError>((done) => subscribeTo(source(rig.url, {}, token), { from: "start", onEvent, onState: (problem) => problem && done(problem) }))
          assert.strictEqual(ended.kind, "refused")
        }
      })
    }))
})
