/**
 * Goal: what a person writes through HTTP is what is read, and what cannot be written says why.
 * Method: requests against a running local gateway over the real projections.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, MutableRef } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { segmentOf } from "../../streams/paths.ts"
import { contentMaxBytes, idMaxBytes } from "../../streams/limits.ts"
import { type Answer, listOf, makeRig, partOf, problemOf, type Rig } from "../support/gatewayRig.ts"

const local = makeRig({ side: "local" })
const asking = (rig: Rig) => (...request: Parameters<Rig["ask"]>) => Effect.promise(() => rig.ask(...request))

const blns = new URL("../../../shared/data/robust/blns.json", import.meta.url)
const hasBlns = existsSync(blns)

describe("conversations", () => {
  it.live("begin, write, edit, delete, and read each as the writer left it", () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      const begun = yield* ask("POST", "/conversations", { conversation_id: "c", title: "Groceries", surface: "cli" })
      assert.strictEqual(begun.status, 201)
      assert.strictEqual(begun.headers.get("etag"), `"${begun.body["version"]}"`)
      const first = yield* ask("POST", "/conversations/c/messages", { id: "m1", role: "user", content: "milk", timestamp: "yesterday", surface: "web" })
      assert.strictEqual(first.status, 201)
      assert.strictEqual(first.headers.get("etag"), "\"2\"")
      assert.deepInclude(partOf(first.body, "message"), { id: "m1", role: "user", content: "milk", timestamp: "yesterday", surface: "web", source_backend: "local", version: 2 })
      assert.deepStrictEqual(first.body["reached"], { tier: "local", missing: [] })
      const second = yield* ask("POST", "/conversations/c/messages", { role: "assistant", content: "" })
      assert.match(String(partOf(second.body, "message")["id"]), /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
      const edited = yield* ask("PUT", "/conversations/c/messages/m1", { content: "oat milk" })
      assert.strictEqual(edited.status, 200)
      const read = yield* ask("GET", "/conversations/c")
      assert.deepInclude(read.body, { conversation_id: "c", title: "Groceries", version: 4, message_count: 2, source_backend: "local" })
      assert.deepStrictEqual(listOf(read.body, "messages").map((message) => message["content"]), ["oat milk", ""])
      assert.deepStrictEqual(listOf(read.body, "messages")[0]!["tier"], "local")
      assert.strictEqual((yield* ask("DELETE", "/conversations/c/messages/m1")).status, 200)
      assert.lengthOf(listOf((yield* ask("GET", "/conversations/c")).body, "messages"), 1)
      const renamed = yield* ask("PATCH", "/conversations/c", { title: "Shopping" })
      assert.strictEqual(renamed.body["title"], "Shopping")
      assert.strictEqual((yield* ask("DELETE", "/conversations/c")).status, 200)
      assert.strictEqual(problemOf(yield* ask("GET", "/conversations/c")), "404 conversation-not-found")
      assert.lengthOf(listOf((yield* ask("GET", "/conversations")).body, "conversations"), 0)
      // a later write brings it back
      assert.strictEqual((yield* ask("POST", "/conversations", { conversation_id: "c" })).body["title"], "Shopping")
    }))

  it.live("begin with messages: all of them, or none where one cannot be taken; sent again they are the same", () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      const messages = [{ id: "m1", role: "user", content: "milk" }, { message_id: "m2", role: "assistant", content: "how much?", surface: "web" }]
      const bad = { conversation_id: "c", messages: [...messages, { role: "user" }] }
      assert.strictEqual(problemOf(yield* ask("POST", "/conversations", bad)), "400 invalid-request")
      assert.strictEqual((yield* ask("GET", "/conversations/c")).status, 404)
      for (const _ of [1, 2]) {
        const begun = yield* ask("POST", "/conversations", { conversation_id: "c", surface: "cli", messages })
        assert.strictEqual(begun.headers.get("etag"), "\"3\"")
        assert.deepStrictEqual(listOf(begun.body, "messages").map(({ content, id, surface }) => [id, content, surface]), [["m1", "milk", "cli"], ["m2", "how much?", "web"]])
      }
    }))

  it.live("are found by what is said in them, by their writer at once", () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      yield* ask("POST", "/conversations", { conversation_id: "c", title: "Groceries" })
      yield* ask("POST", "/conversations/c/messages", { id: "m1", role: "user", content: "buy oat milk" })
      yield* ask("POST", "/conversations/c/messages", { id: "m2", role: "user", content: "and a lemon" })
      const found = yield* ask("GET", "/search?q=MIL%20oat")
      assert.strictEqual(found.status, 200)
      assert.deepInclude(found.body, { next_cursor: null, behind: false })
      assert.deepStrictEqual(listOf(found.body, "hits").map((hit) => [hit["conversation_id"], hit["title"], hit["message_id"], hit["role"], hit["excerpt"], hit["marks"]]), [["c", "Groceries", "m1", "user", "buy oat milk", [[4, 7], [8, 12]]]])
      yield* ask("PUT", "/conversations/c/messages/m1", { content: "buy rice" })
      assert.lengthOf(listOf((yield* ask("GET", "/search?q=milk")).body, "hits"), 0)
      assert.deepStrictEqual(listOf((yield* ask("GET", "/search?q=grocer")).body, "hits").map((hit) => hit["message_id"]), [null])
      assert.strictEqual((yield* ask("GET", "/search")).status, 400)
      assert.strictEqual(problemOf(yield* ask("GET", "/search?q=milk&limit=0")), "400 invalid-request")
      assert.strictEqual(problemOf(yield* ask("GET", "/search?q=milk&cursor=x")), "400 cursor-invalid")
    }))

  it.live("what is not there is 404, what is already there differently is 409, the same again is the same", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      for (const [method, path, body] of [
        ["GET", "/conversations/c", undefined], ["PATCH", "/conversations/c", { title: "t" }], ["DELETE", "/conversations/c", undefined],
        ["PUT", "/conversations/c/messages/m", { content: "x" }], ["DELETE", "/conversations/c/messages/m", undefined]
      ] as const) {
        assert.strictEqual(problemOf(yield* ask(method, path, body)), "404 conversation-not-found", `${method} ${path}`)
      }
      for (const [method, path, body] of [["GET", "/conversations/c/messages/m/history", undefined], ["POST", "/conversations/c/messages/m/restore", { event_id: "e" }]] as const) {
        assert.strictEqual(problemOf(yield* ask(method, path, body)), "404 message-not-found")
      }
      const first = yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "x" })
      const calls = rig.knobs.calls.length
      const again = yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "x" })
      assert.strictEqual(again.status, 201)
      assert.deepStrictEqual([again.body["event_id"], again.body["stamp"]], [first.body["event_id"], first.body["stamp"]])
      assert.strictEqual(rig.knobs.calls.length, calls)
      assert.strictEqual(problemOf(yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "y" })), "409 message-exists")
      assert.strictEqual(problemOf(yield* ask("PUT", "/conversations/c/messages/other", { content: "y" })), "404 message-not-found")
      yield* ask("DELETE", "/conversations/c/messages/m")
      assert.strictEqual(problemOf(yield* ask("PUT", "/conversations/c/messages/m", { content: "y" })), "404 message-not-found")
      yield* ask("POST", "/conversations", { conversation_id: "c", title: "one" })
      assert.strictEqual((yield* ask("POST", "/conversations", { conversation_id: "c" })).status, 201)
    }))

  it.live("history lists every write, restore brings one back knowing them all", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "one" })
      yield* ask("PUT", "/conversations/c/messages/m", { content: "two" })
      const deleted = yield* ask("DELETE", "/conversations/c/messages/m")
      const writes = listOf((yield* ask("GET", "/conversations/c/messages/m/history")).body, "writes")
      assert.deepStrictEqual(writes.map((write) => [write["type"], write["content"], write["current"]]), [
        ["message.deleted", null, true], ["message.edited", "two", false], ["message.appended", "one", false]
      ])
      assert.deepStrictEqual(writes[1]!["base"], writes[2]!["stamp"])
      const restored = yield* ask("POST", "/conversations/c/messages/m/restore", { event_id: writes[2]!["event_id"] })
      assert.strictEqual(partOf(restored.body, "message")["content"], "one")
      const draft = rig.knobs.calls.at(-1)![0]!
      assert.deepStrictEqual(draft.fact.type === "message.edited" && draft.fact.data.base, deleted.body["stamp"])
      assert.strictEqual(problemOf(yield* ask("POST", "/conversations/c/messages/m/restore", { event_id: writes[0]!["event_id"] })), "400 invalid-request")
      assert.strictEqual(problemOf(yield* ask("POST", "/conversations/c/messages/m/restore", { event_id: "none" })), "404 write-not-found")
    }))

  it.live("If-Match writes only what its author has seen, also when many try at once", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "one" })
      const etag = (yield* ask("GET", "/conversations/c")).headers.get("etag")!
      MutableRef.set(rig.knobs.delayMillis, 20)
      const all = yield* Effect.all(
        Array.from({ length: 8 }, (_, i) => ask("PUT", "/conversations/c/messages/m", { content: `try ${i}` }, { "if-match": etag })),
        { concurrency: 8 }
      )
      assert.deepStrictEqual(all.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412, 412, 412])
      const stale = all.find(({ status }) => status === 412)!
      assert.strictEqual(problemOf(stale), "412 version-mismatch")
      assert.strictEqual(stale.headers.get("etag"), "\"2\"")
      assert.strictEqual((yield* ask("DELETE", "/conversations/c", undefined, { "if-match": etag })).status, 412)
      assert.strictEqual((yield* ask("PATCH", "/conversations/c", { title: "t" }, { "if-match": "*" })).status, 200)
      assert.strictEqual((yield* ask("POST", "/conversations/new/messages", { role: "user", content: "x" }, { "if-match": "*" })).status, 412)
    }))

  it.live("contents at the limit pass, one byte more does not, whatever a character weighs", () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      const post = (content: string) => ask("POST", "/conversations/c/messages", { role: "user", content })
      for (const [letter, bytes] of [["a", 1], ["é", 2], ["漢", 3], ["😀", 4]] as const) {
        const full = letter.repeat(Math.floor(contentMaxBytes / bytes)) + "a".repeat(contentMaxBytes % bytes)
        assert.strictEqual((yield* post(full)).status, 201)
        const over = yield* post(`${full}a`)
        assert.strictEqual(problemOf(over), "413 content-too-large")
        assert.strictEqual(over.body["field"], "content")
        assert.isNotEmpty(String(over.body["hint"]))
      }
      const read = yield* ask("GET", "/conversations/c")
      assert.deepStrictEqual(listOf(read.body, "messages").map((message) => Buffer.byteLength(String(message["content"]))), [1, 2, 3, 4].map(() => contentMaxBytes))
    }))

  it.live("a body of the wrong shape names the field and says what to do", () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      const post = (body: unknown) => ask("POST", "/conversations/c/messages", body)
      for (const [body, field] of [
        [{ role: "user" }, "content"], [{ content: "x" }, "role"], [{ role: "", content: "x" }, "role"], [{ role: "user", content: 1 }, "content"],
        [`{"role":"user","content":"\\ud800"}`, "content"], [{ id: "", role: "user", content: "x" }, "id"], [{ id: 7, role: "user", content: "x" }, "id"],
        [{ id: "i".repeat(idMaxBytes + 1), role: "user", content: "x" }, "id"], [{ role: "user", content: "x", timestamp: "t".repeat(65) }, "timestamp"],
        [{ role: "user", content: "x", surface: "" }, "surface"], ["not json", undefined], ["[]", undefined], [new Uint8Array([0x7b, 0xff, 0x7d]), undefined]
      ] as const) {
        const answer = yield* post(body)
        assert.strictEqual(problemOf(answer), "400 invalid-request", JSON.stringify(body))
        assert.strictEqual(answer.body["field"], field)
        assert.isNotEmpty(String(answer.body["hint"]))
      }
      assert.strictEqual((yield* ask("GET", "/conversations?limit=0")).body["field"], "limit")
      assert.strictEqual((yield* ask("GET", "/conversations?limit=many")).status, 400)
      assert.strictEqual(problemOf(yield* ask("GET", "/conversations?cursor=nonsense")), "400 cursor-invalid")
      assert.strictEqual((yield* ask("POST", "/conversations/c/messages?wait=never", { role: "user", content: "x" })).status, 400)
      assert.strictEqual((yield* ask("POST", "/conversations/c/messages?wait=hosted&timeout_ms=-1", { role: "user", content: "x" })).body["field"], "timeout_ms")
      assert.strictEqual((yield* ask("GET", `/conversations/${"x".repeat(2000)}`)).status, 404)
      assert.strictEqual((yield* ask("POST", `/conversations/${"x".repeat(2000)}/messages`, { role: "user", content: "x" })).status, 400)
    }))

  it.live("waiting says how far the write came and who is missing", () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      const post = (wait: string) => ask("POST", `/conversations/c/messages?wait=${wait}&timeout_ms=5`, { role: "user", content: "x" })
      assert.deepStrictEqual((yield* post("hosted")).body["reached"], { tier: "hosted", missing: [] })
      assert.deepStrictEqual((yield* post("everywhere")).body["reached"], { tier: "hosted", missing: ["peer_0123456789abcdef"] })
    }))

  it.live("pages follow one another to the end", () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      yield* ask("POST", "/import", Array.from({ length: 25 }, (_, i) => JSON.stringify({ conversation_id: `c${i}`, title: `${i}`, messages: [] })).join("\n"))
      const seen: Array<unknown> = []
      let cursor: string | null = null
      do {
        const page: Answer = yield* ask("GET", `/conversations?limit=10${cursor === null ? "" : `&cursor=${cursor}`}`)
        const items = listOf(page.body, "conversations")
        assert.isAtMost(items.length, 10)
        seen.push(...items.map((one) => one["conversation_id"]))
        cursor = page.body["next_cursor"] as string | null
      } while (cursor !== null)
      assert.deepStrictEqual(seen, Array.from({ length: 25 }, (_, i) => `c${24 - i}`))
    }))

  it.live("a full store is 507, a lost one 503 with Retry-After; reading goes on", () =>
    Effect.gen(function*() {
      const rig = yield* local
      const ask = asking(rig)
      yield* ask("POST", "/conversations/c/messages", { id: "m", role: "user", content: "x" })
      MutableRef.set(rig.knobs.writing, "full")
      const full = yield* ask("POST", "/conversations/c/messages", { role: "user", content: "x" })
      assert.strictEqual(problemOf(full), "507 store-full")
      assert.strictEqual(full.body["hint"], "Make room.")
      MutableRef.set(rig.knobs.writing, "unavailable")
      const lost = yield* ask("PUT", "/conversations/c/messages/m", { content: "y" })
      assert.strictEqual(problemOf(lost), "503 store-unavailable")
      assert.strictEqual(lost.headers.get("retry-after"), "1")
      assert.strictEqual((yield* ask("GET", "/conversations/c")).status, 200)
      MutableRef.set(rig.knobs.writing, "invalid")
      assert.strictEqual(problemOf(yield* ask("POST", "/import", `{"conversation_id":"d","messages":[]}`)), "400 invalid-request")
    }))

  it.live.skipIf(!hasBlns)(`every naughty string is an id, a title and a content${hasBlns ? "" : " (skipped: ../shared/data missing)"}`, () =>
    Effect.gen(function*() {
      const ask = asking(yield* local)
      const strings = JSON.parse(readFileSync(blns, "utf8")) as ReadonlyArray<string>
      assert.isAbove(strings.length, 500)
      const all = new Set([...strings, ".", "..", "~.", "~", "\u0000", "%2F", "%", "a/../b", "c?d#e;f"])
      yield* Effect.forEach(all, (text) =>
        Effect.gen(function*() {
          const id = text === "" || Buffer.byteLength(text) > idMaxBytes ? `string ${strings.indexOf(text)}` : text
          const path = `/conversations/${segmentOf(id)}`
          const begun = yield* ask("POST", "/conversations", { conversation_id: id, title: text })
          assert.strictEqual(begun.status, 201, JSON.stringify(id))
          assert.strictEqual((yield* ask("POST", `${path}/messages`, { id, role: "user", content: text })).status, 201)
          assert.strictEqual((yield* ask("PUT", `${path}/messages/${segmentOf(id)}`, { content: `${text}!` })).status, 200, JSON.stringify(id))
          const read = (yield* ask("GET", path)).body
          const [message] = listOf(read, "messages")
          assert.deepStrictEqual([read["conversation_id"], read["title"], message!["id"], message!["content"]], [id, text, id, `${text}!`])
        }), { concurrency: 16, discard: true })
    }))
})
