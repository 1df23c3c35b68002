// Goal: what fits comes through every hop unchanged, however odd it is, and what does not fit is refused where it is written.
// Method: 512 KiB and one byte more, in the encodings that grow most; every naughty string as content, as title, and as an id.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { segmentOf } from "../../streams/paths.ts"
import { isShareable } from "../../src/privacy/gate.ts"
import type { Settings } from "../../streams/events/settings.ts"
import { contentMaxBytes, idMaxBytes } from "../../streams/limits.ts"
import { done, type ImportDone, makePaired, shown, type Shown } from "../support/linked.ts"
import { agreed, type Backend, type World } from "../support/world.ts"

const list = new URL("../../../shared/data/robust/blns.json", import.meta.url)
const naughty: ReadonlyArray<string> = existsSync(list) ? [...new Set(JSON.parse(readFileSync(list, "utf8")) as ReadonlyArray<string>)] : []

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string
const inStep = () => agreed(tenant, hosted, [a, b])

beforeAll(async () => {
  ;({ a, b, hosted, tenant, world } = await makePaired())
})
afterAll(() => world.close())

const full: ReadonlyArray<readonly [string, string]> = [
  ["of ASCII", "a".repeat(contentMaxBytes)],
  ["of two-byte letters", "é".repeat(contentMaxBytes / 2)],
  ["of emoji", "🙂".repeat(contentMaxBytes / 4)],
  // each of them is six bytes of JSON, and eight once sealed
  ["of control characters", "\u0001".repeat(contentMaxBytes)]
]

describe("content of 512 KiB", () => {
  it.each(full)("passes: %s", async (name, content) => {
    assert.strictEqual(Buffer.byteLength(content), 512 * 1024)
    const id = name.replaceAll(" ", "-")
    await done(a, "POST", `/conversations/${id}/messages`, { role: "user", content })
    await inStep()
    for (const backend of [a, b, hosted]) assert.isTrue((await shown(backend, id, tenant)).messages[0]?.content === content, backend.name)
  })

  it.each(full)("and one byte more is refused, and nothing is written: %s", async (name, content) => {
    const before = await inStep()
    const refused = await a.http("POST", "/conversations/too-long/messages", { role: "user", content: `${content}a` })
    assert.deepInclude(refused.json, { type: "urn:maestra:problem:content-too-large", status: 413, field: "content" }, name)
    assert.include(refused.json.hint, "Split")
    const path = "/conversations/of-ASCII/messages"
    const id = (await shown(a, "of-ASCII", tenant)).messages[0]?.id
    assert.strictEqual((await a.http("PUT", `${path}/${id}`, { content: `${content}a` })).status, 413)
    const line = JSON.stringify({ conversation_id: "too-long", messages: [{ role: "user", content: `${content}a` }] })
    const imported = await done<ImportDone>(a, "POST", "/import", `${line}\n`)
    assert.deepInclude(imported, { events: 0 })
    assert.deepStrictEqual(imported.invalid.map(({ line }) => line), [1])
    assert.deepStrictEqual(await inStep(), before)
  })
})

describe("a journal with little room", () => {
  it("refuses what it has no room for, shows what it has, and takes more at a start with more room", async () => {
    const small = await world.local("small", { args: ["--journal-gib", "0.0625"] })
    const line = (id: number) => `${JSON.stringify({ conversation_id: `c${id}`, messages: Array.from({ length: 3 }, () => ({ role: "user", content: "a".repeat(contentMaxBytes) })) })}\n`
    let written = 0
    let refused = await small.http("POST", "/import", line(written))
    while (refused.status === 200 && written < 100) refused = await small.http("POST", "/import", line(++written))
    assert.deepInclude(refused.json, { type: "urn:maestra:problem:store-full", status: 507 })
    assert.isAtLeast(written, 30, "64 MiB hold more than thirty times 1.5 MiB")
    assert.lengthOf((await shown(small, "c0", tenant)).messages, 3)
    assert.match((await small.cli("doctor")).out, /local streams +\d+ checks inside are fine/)
    await small.stop()
    const larger = await world.local("larger", { home: join(world.dir, "small"), args: ["--journal-gib", "0.125"] })
    await done(larger, "POST", "/conversations/more/messages", { role: "user", content: "there is room again" })
  })
})

describe.skipIf(naughty.length === 0)(`the big list of naughty strings${naughty.length > 0 ? "" : " (skipped: ../shared/data missing)"}`, () => {
  const importAs = (prefix: string) =>
    done<ImportDone>(a, "POST", "/import", naughty.map((text, n) => `${JSON.stringify({ conversation_id: `${prefix}-${n}`, title: text, messages: [{ id: "m", role: "user", content: text }] })}\n`).join(""))
  const unchanged = async (prefix: string, backend: Backend) => {
    for (const [n, text] of naughty.entries()) {
      const { messages, title } = await shown(backend, `${prefix}-${n}`, tenant)
      assert.deepStrictEqual([title, messages[0]?.content], [text, text], `${backend.name}: ${n}`)
    }
  }

  it("comes back unchanged where it was written, as content and as title", async () => {
    assert.isAtLeast(naughty.length, 500)
    assert.deepInclude(await importAs("redacted"), { messages: naughty.length, invalid: [] })
    await inStep()
    await unchanged("redacted", a)
  })

  it("and everywhere, with redaction off", async () => {
    assert.strictEqual((await done<Settings>(a, "PUT", "/privacy-settings", { redact_pii: false })).redact_pii, false)
    await importAs("open")
    await inStep()
    assert.strictEqual((await done<Settings>(b, "GET", "/privacy-settings")).redact_pii, false)
    for (const backend of [a, b, hosted]) await unchanged("open", backend)
  })

  describe("as ids of conversations and messages", () => {
    const fits = naughty.filter((id) => id !== "" && Buffer.byteLength(id) <= idMaxBytes)
    const others = naughty.filter((id) => !fits.includes(id))
    const pathOf = (id: string) => `/conversations/${segmentOf(id)}/messages`

    it("they come back unchanged where they were written", { timeout: 120_000 }, async () => {
      for (const [n, id] of fits.entries()) {
        await done(a, "POST", pathOf(id), { id, role: "user", content: `first ${n}` })
        await done(a, "PUT", `${pathOf(id)}/${segmentOf(id)}`, { content: `id ${n}` })
      }
      for (const [n, id] of fits.entries()) {
        const { conversation_id, messages } = await done<Shown>(a, "GET", `/conversations/${segmentOf(id)}`)
        assert.deepStrictEqual([conversation_id, messages.map((message) => [message.id, message.content])], [id, [[id, `id ${n}`]]])
      }
      for (const id of others) assert.include([400, 404, 405], (await a.http("POST", pathOf(id), { id, role: "user", content: "x" })).status)
    })

    it("others know them by themselves where that is safe, by an alias where not, and can answer by it", { timeout: 120_000 }, async () => {
      await inStep()
      const [there, above] = await Promise.all([exported(b), exported(hosted)])
      const aliased: Array<string> = []
      for (const [n, id] of fits.entries()) {
        const found = there.get(`id ${n}`)
        assert.isDefined(found, id)
        assert.deepStrictEqual(above.get(`id ${n}`), found)
        if (isShareable(id)) assert.deepStrictEqual(found, [id, id])
        else {
          assert.match(found![0], /^h_[A-Za-z0-9_-]{43}$/)
          assert.strictEqual(found![1], found![0])
          aliased.push(id)
          await done(b, "PUT", `/conversations/${found![0]}/messages/${found![1]}`, { content: `answer ${n}` })
        }
      }
      assert.isAtLeast(aliased.length, 300)
      assert.strictEqual(new Set([...there.values()].map(([conversation]) => conversation)).size, there.size)
      await inStep()
      for (const id of aliased) {
        const { messages } = await done<Shown>(a, "GET", `/conversations/${segmentOf(id)}`)
        assert.deepStrictEqual(messages.map((message) => [message.id, message.content]), [[id, `answer ${fits.indexOf(id)}`]])
      }
    })
  })

  /** Where each of the messages about ids is on a backend, by its content. */
  const exported = async (backend: Backend): Promise<ReadonlyMap<string, readonly [string, string]>> => {
    const { text } = await backend.http("GET", `/export${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)
    return new Map(text.trimEnd().split("\n").map((line) => JSON.parse(line) as Shown).flatMap(({ conversation_id, messages }) =>
      messages.filter(({ content }) => /^id \d+$/.test(content)).map(({ content, id }) => [content, [conversation_id, id] as const] as const)))
  }
})
