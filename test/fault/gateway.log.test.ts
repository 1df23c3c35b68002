/**
 * Goal: import, export, digest, conflicts and events carry everything, once, and stop when the server stops.
 * Method: requests against a running local gateway; real files where they are at hand, a rival device by its log entries.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, MutableRef, Scope } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { plain } from "../../streams/Envelope.ts"
import { type Body, listOf, makeRig, partOf, problemOf, type Rig, secret } from "../support/gatewayRig.ts"

const local = makeRig({ side: "local" })
const asking = (rig: Rig) => (...request: Parameters<Rig["ask"]>) => Effect.promise(() => rig.ask(...request))

const file = new URL("../../../shared/data/conv/taskmaster4.jsonl.gz", import.meta.url)
const hasFile = existsSync(file)

const ndjson = (...lines: ReadonlyArray<unknown>) => lines.map((line) => JSON.stringify(line)).join("\n")
const linesOf = (text: string): ReadonlyArray<Body> => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Body)

/** What another device wrote under the same message, as the log brings it. */
const rivalEdit = (rig: Rig, seq: number, content: string) =>
  rig.projections.absorb({
    cursor: "log",
    epoch: "1",
    entries: [{
      kind: "event",
      log: "log",
      seq,
      tenant: "self",
      own: false,
      opened: {
        fact: { type: "message.edited", data: { message_id: "m", role: "user", content, timestamp: "" } },
        envelope: plain({ type: "message.edited", data: { message_id: "m", role: "user", content, timestamp: "" } }, {
          id: `00000000-0000-7000-8000-${String(seq).padStart(12, "0")}`,
          source: `local_sha256_${"9".repeat(64)}`,
          time: "2026-11-22T10:00:00.000Z",
          subject: "c",
          lamport: 2,
          surface: "web"
        })
      }
    }]
  })

/** Server-Sent Events of one response, as long as it lasts. */
const events = (rig: Rig, path: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.promise(async () => {
    const response = await fetch(`${rig.url}${path}`, { headers: { authorization: `Bearer ${secret}`, ...headers } })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ""
    /** Read on until `count` events are there, or the end. */
    const take = async (count: number): Promise<ReadonlyArray<Readonly<Record<string, string>>>> => {
      while (text.split("\n\n").filter((frame) => frame.includes("data: ")).length < count) {
        const { done, value } = await reader.read()
        if (done) break
        text += value
      }
      return text.split("\n\n").filter((frame) => frame.includes("data: ")).map((frame) =>
        Object.fromEntries(frame.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)])))
    }
    const ended = async () => {
      while (!(await reader.read()).done) continue
    }
    return { response, take, ended, close: () => reader.cancel() }
  })

describe("log", () => {
  it.live("an import adds what is missing and says what it did", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      const body = ndjson(
        { conversation_id: "c", title: "t", messages: [{ id: 0, role: "user", text: "one" }, { author: "assistant", content: "two", surface: "ios" }] },
        { conversation_id: "d", messages: [] },
        { conversation_id: "", messages: [] }
      )
      const first = yield* ask("POST", "/import", body)
      assert.deepInclude(first.body, { conversations: 2, messages: 2, events: 4, unchanged: 0 })
      assert.deepStrictEqual(first.body["invalid"], [{ line: 3, why: "conversation_id is empty" }])
      const again = yield* ask("POST", "/import", body)
      assert.deepInclude(again.body, { conversations: 2, messages: 2, events: 0, unchanged: 2 })
      const other = yield* ask("POST", "/import", ndjson({ conversation_id: "c", title: "u", messages: [{ id: "0", role: "user", text: "three" }] }))
      assert.deepInclude(other.body, { events: 2, unchanged: 0 })
      const read = (yield* ask("GET", "/conversations/c")).body
      assert.deepStrictEqual([read["title"], ...listOf(read, "messages").map((message) => [message["id"], message["content"], message["surface"]])], [
        "u", ["0", "three", "import"], ["i1", "two", "ios"]
      ])
      // deleted, then imported again from a backup: all of it is back
      yield* ask("DELETE", "/conversations/c/messages/0")
      yield* ask("DELETE", "/conversations/c")
      yield* ask("POST", "/import", ndjson({ conversation_id: "c", title: "u", messages: [{ id: "0", role: "user", text: "three" }] }))
      assert.lengthOf(listOf((yield* ask("GET", "/conversations/c")).body, "messages"), 2)
    }))

  it.live("the same body twice at once adds it once, in batches of one append", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      const messages = Array.from({ length: 2500 }, (_, id) => ({ id, role: "user", text: `text ${id}` }))
      const both = yield* Effect.forEach([1, 2], () => ask("POST", "/import", ndjson({ conversation_id: "c", messages })), { concurrency: 2 })
      assert.deepStrictEqual(both.map(({ body }) => body["events"]).sort(), [0, 2500])
      assert.deepStrictEqual(rig.knobs.calls.map((call) => call.length), [999, 999, 502])
    }))

  it.live("what is exported, imported elsewhere, is the same", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      const elsewhere = asking(yield* local)
      assert.strictEqual((yield* ask("GET", "/export")).text, "")
      yield* ask("POST", "/import", Array.from({ length: 120 }, (_, i) => ndjson({ conversation_id: `c${i}`, title: i % 2 ? `t${i}` : null, messages: [{ id: 1, role: "user", text: `é${i}\u2028` }] })).join("\n"))
      yield* ask("DELETE", "/conversations/c7")
      const exported = yield* ask("GET", "/export")
      assert.strictEqual(exported.headers.get("content-type"), "application/x-ndjson")
      assert.lengthOf(linesOf(exported.text), 119)
      yield* elsewhere("POST", "/import", exported.text)
      assert.strictEqual((yield* elsewhere("GET", "/export")).text, exported.text)
      assert.deepStrictEqual((yield* elsewhere("GET", "/digest")).body, (yield* ask("GET", "/digest")).body)
      assert.strictEqual((yield* ask("POST", "/import", exported.text)).body["events"], 0)
    }))

  it.live.skipIf(!hasFile)(`a real file goes in whole, and once${hasFile ? "" : " (skipped: ../shared/data missing)"}`, () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      const lines = gunzipSync(readFileSync(file)).toString().split("\n")
      const bodies = [0, 1000, 2000, 3000].map((from) => lines.slice(from, from + 1000).join("\n"))
      for (const body of bodies) assert.deepStrictEqual((yield* ask("POST", "/import", body)).body["invalid"], [])
      const digest = (yield* ask("GET", "/digest")).body
      assert.deepInclude(digest, { conversations: 3710, messages: 13_915 })
      for (const body of bodies) assert.strictEqual((yield* ask("POST", "/import", body)).body["events"], 0)
      assert.deepStrictEqual((yield* ask("GET", "/digest")).body, digest)
    }))

  it.live("devices that disagree are listed until somebody decides", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "first" })
      yield* ask("PUT", "/conversations/c/messages/m", { content: "ours" })
      yield* rivalEdit(rig, 1, "theirs")
      const [conflict] = listOf((yield* ask("GET", "/conflicts")).body, "conflicts")
      assert.deepInclude(conflict, { conversation_id: "c", message_id: "m" })
      assert.deepInclude(partOf(conflict!, "shown"), { content: "ours", current: true, source_backend: "local" })
      const [losing] = listOf(conflict!, "losing")
      assert.deepInclude(losing, { content: "theirs", current: false, log_seq: 1 })
      assert.strictEqual(listOf((yield* ask("GET", "/conversations/c")).body, "messages")[0]!["conflicted"], true)
      yield* ask("POST", "/conversations/c/messages/m/restore", { event_id: losing!["event_id"] })
      assert.lengthOf(listOf((yield* ask("GET", "/conflicts")).body, "conflicts"), 0)
      assert.strictEqual(listOf((yield* ask("GET", "/conversations/c")).body, "messages")[0]!["content"], "theirs")
    }))

  it.live("conflicts page to their end", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      for (let i = 0; i < 5; i++) yield* ask("POST", `/conversations/c${i}/messages`, { id: "m", role: "user", content: "ours" })
      yield* rig.projections.absorb({
        cursor: "log",
        epoch: "1",
        entries: Array.from({ length: 5 }, (_, i) => {
          const fact = { type: "message.edited", data: { message_id: "m", role: "user", content: "theirs", timestamp: "" } } as const
          const about = { id: `00000000-0000-7000-8000-00000000000${i}`, source: `local_sha256_${"9".repeat(64)}`, time: "2026-11-22T10:00:00.000Z", subject: `c${i}`, lamport: 9, surface: "web" }
          return { kind: "event", log: "log", seq: i + 1, tenant: "self", own: false, opened: { fact, envelope: plain(fact, about) } } as const
        })
      })
      const seen: Array<unknown> = []
      let cursor: string | null = null
      for (let page = 0; page < 10; page++) {
        const answer: Body = (yield* ask("GET", `/conflicts?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`)).body
        seen.push(...listOf(answer, "conflicts").map((conflict) => conflict["conversation_id"]))
        cursor = answer["next_cursor"] as string | null
        if (cursor === null) break
      }
      assert.deepStrictEqual(seen.sort(), ["c0", "c1", "c2", "c3", "c4"])
    }))

  it.live("events come from the beginning, from now, from a time, and go on after the last one seen", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      for (const content of ["one", "two"]) yield* ask("POST", "/conversations/c/messages", { role: "user", content })
      const all = yield* events(rig, "/events?from=start")
      assert.strictEqual(all.response.headers.get("content-type"), "text/event-stream")
      const live = yield* events(rig, "/events")
      const other = yield* events(rig, "/events?subject=d")
      const first = yield* Effect.promise(() => all.take(2))
      assert.deepStrictEqual(first.map(({ event, id }) => [id, event]), [["1", "message.appended"], ["2", "message.appended"]])
      assert.strictEqual((JSON.parse(first[1]!["data"]!) as { data: { content: string } }).data.content, "two")
      yield* ask("POST", "/conversations/c/messages", { role: "user", content: "three" })
      yield* ask("POST", "/conversations/d/messages", { role: "user", content: "four" })
      assert.deepStrictEqual((yield* Effect.promise(() => all.take(4))).map(({ id }) => id), ["1", "2", "3", "4"])
      assert.deepStrictEqual((yield* Effect.promise(() => live.take(2))).map(({ id }) => id), ["3", "4"])
      assert.deepStrictEqual((yield* Effect.promise(() => other.take(1))).map(({ id }) => id), ["4"])
      const back = yield* events(rig, "/events?from=start", { "last-event-id": "3" })
      assert.deepStrictEqual((yield* Effect.promise(() => back.take(1))).map(({ id }) => id), ["4"])
      const since = yield* events(rig, "/events?from=2020-01-01T00:00:00Z")
      assert.lengthOf(yield* Effect.promise(() => since.take(4)), 4)
      assert.strictEqual(problemOf(yield* ask("GET", "/events?from=yesterday")), "400 cursor-invalid")
      for (const stream of [all, live, other, back, since]) yield* Effect.promise(stream.close)
    }))

  it.live("a stream from now says where it begins, so that whoever leaves before the first event misses none", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      yield* ask("POST", "/conversations/c/messages", { role: "user", content: "before" })
      const reader = yield* Effect.promise(() => fetch(`${rig.url}/events`, { headers: { authorization: `Bearer ${secret}` } }).then(({ body }) => body!.pipeThrough(new TextDecoderStream()).getReader()))
      const { value: begins } = yield* Effect.promise(() => reader.read())
      assert.strictEqual(begins, "id: 1\nretry: 1000\n\n")
      yield* Effect.promise(() => reader.cancel())
      yield* ask("POST", "/conversations/c/messages", { role: "user", content: "meanwhile" })
      const back = yield* events(rig, "/events", { "last-event-id": "1" })
      assert.deepStrictEqual((yield* Effect.promise(() => back.take(1))).map(({ id }) => id), ["2"])
      yield* Effect.promise(back.close)
    }))

  it.live("stopping ends open event streams at once, and lets a write finish", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const rig = yield* Scope.provide(local, scope)
      const open = yield* Effect.all(Array.from({ length: 5 }, () => events(rig, "/events?from=start")))
      MutableRef.set(rig.knobs.delayMillis, 2000)
      let isWritten = false
      const write = rig.ask("POST", "/conversations/c/messages", { role: "user", content: "last" }).finally(() => { isWritten = true })
      yield* Effect.promise(async () => {
        while (rig.knobs.calls.length === 0) await new Promise((resolve) => setImmediate(resolve))
      })
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.promise(() => Promise.all(open.map(({ ended }) => ended())))
      assert.isFalse(isWritten, "streams wait for nobody's write")
      assert.strictEqual((yield* Effect.promise(() => write)).status, 201)
      yield* Fiber.join(closing)
    }))

  it.live("long work is lines of progress; refused at once it is a problem, broken off it does not look whole", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      assert.deepStrictEqual(linesOf((yield* ask("POST", "/verify")).text), [
        { done: false, at: 1, of: 2 }, { done: true, at: 2, of: 2, result: { ok: true, tenant: "self" } }
      ])
      const broken = yield* Effect.promise(() => rig.ask("POST", "/rebuild").then(({ text }) => text, () => "broken off"))
      assert.strictEqual(broken, "broken off")
    }))
})
