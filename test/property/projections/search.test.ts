// Goal: whoever searches finds what shows and says it, and nothing that went, which leaves no word in the index either.
// Method: small worlds by hand; random histories against a search through everything that shows; the bytes of the file after a removal.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { search } from "../../../projections/conversations/search.ts"
import { searchStep } from "../../../projections/conversations/searchIndex.ts"
import type { Entry } from "../../../projections/Entry.ts"
import { Projections } from "../../../projections/runner.ts"
import { Sqlite } from "../../../projections/Sqlite.ts"
import type { Fact } from "../../../streams/catalog.ts"
import { expected, foldAll } from "./expected.ts"
import { history } from "./histories.ts"
import { appended, database, databaseAt, event, feed, fromLog, random, sourceOf, temporaryFolder, tenant } from "./rig.ts"

const found = (words: string, whose = tenant) =>
  Effect.map(search({ tenant: whose, words, limit: 100 }), ({ page }) => page.items.map(({ conversation_id, message_id }) => `${conversation_id}/${message_id ?? "title"}`))

const edited = (message_id: string, content: string): Fact => ({ type: "message.edited", data: { message_id, role: "user", content, timestamp: "2026-11-22T10:00:00Z" } })

/** Events of one device, each after the one before. */
const said = (...facts: ReadonlyArray<readonly [subject: string, fact: Fact]>) =>
  Effect.gen(function*() {
    const projections = yield* Projections
    const from = ((yield* projections.positions).get("log")?.seq ?? 0) + 1
    const entries = facts.map(([subject, fact], i) => fromLog(from + i, event(fact, { id: from + i, source: sourceOf(0), lamport: from + i, subject })))
    yield* projections.absorb({ cursor: "log", epoch: "1", entries })
  })

/** The index has what the tables say, word for word. Fails with SQLITE_CORRUPT otherwise. */
const sound = Sqlite.use((sqlite) => sqlite.transaction((tx) => tx.run("insert into said (said, rank) values ('integrity-check', 0)")))

describe("search", () => {
  it.effect("finds words and beginnings of words, whatever their case and accents, the newest first", () =>
    Effect.gen(function*() {
      yield* said(["a", appended("1", "Crème brûlée for two")], ["b", { type: "conversation.created", data: { title: "Creme caramel" } }], ["b", appended("2", "no cream in it"), ])
      assert.deepStrictEqual(yield* found("CREM"), ["b/title", "a/1"])
      assert.deepStrictEqual(yield* found("two brulee"), ["a/1"])
      assert.deepStrictEqual(yield* found("rulee"), [])
      assert.deepStrictEqual(yield* found("  "), [])
    }).pipe(Effect.provide(database())))

  it.effect("finds what shows: not what was edited away, deleted, in a deleted conversation, or another's", () =>
    Effect.gen(function*() {
      yield* said(["c", appended("1", "first apple")], ["c", appended("2", "second apple")], ["d", appended("3", "third apple")])
      yield* (yield* Projections).absorb({ cursor: "log", epoch: "1", entries: [{ ...fromLog(4, event(appended("4", "their apple"), { id: 40, source: sourceOf(1), lamport: 4, subject: "e" })), tenant: "t_neighbour" }] })
      assert.deepStrictEqual(yield* found("apple"), ["d/3", "c/2", "c/1"])
      yield* said(["c", edited("1", "first pear")])
      yield* said(["c", { type: "message.deleted", data: { message_id: "2" } }])
      yield* said(["d", { type: "conversation.deleted", data: {} }])
      assert.deepStrictEqual(yield* found("apple"), [])
      assert.deepStrictEqual(yield* found("pear"), ["c/1"])
      assert.deepStrictEqual(yield* found("apple", "t_neighbour"), ["e/4"])
      assert.deepStrictEqual(yield* found("apple", "nobody"), [])
    }).pipe(Effect.provide(database())))

  it.effect("marks what was found in a piece of the text", () =>
    Effect.gen(function*() {
      yield* said(["c", appended("1", `${"far away ".repeat(50)}the \u0002treasure\u0003 lies here ${"and on ".repeat(50)}`)])
      const [hit] = (yield* search({ tenant, words: "treas lies", limit: 1 })).page.items
      assert.deepStrictEqual(hit!.marks.map(([from, to]) => hit!.excerpt.slice(from, to)), ["treasure", "lies"])
      assert.isBelow(hit!.excerpt.length, 300)
    }).pipe(Effect.provide(database())))

  it.effect("comes in pages that neither leave out nor repeat", () =>
    Effect.gen(function*() {
      yield* said(...Array.from({ length: 25 }, (_, i) => ["c", appended(`${i}`, `plum ${i}`)] as const))
      const seen: Array<string | null> = []
      for (let cursor: string | null | undefined; cursor !== null;) {
        const { page }: Effect.Success<ReturnType<typeof search>> = yield* search({ tenant, words: "plum", limit: 10, cursor })
        seen.push(...page.items.map(({ message_id }) => message_id))
        cursor = page.cursor
      }
      assert.deepStrictEqual(seen, Array.from({ length: 25 }, (_, i) => `${24 - i}`))
    }).pipe(Effect.provide(database())))

  it.effect("takes FTS5's own words as words", () =>
    Effect.gen(function*() {
      yield* said(["c", appended("1", "either or \"quoted\" near content: x*")])
      const dice = random(7)
      const anything = Array.from({ length: 300 }, () => String.fromCodePoint(...Array.from({ length: 1 + dice.below(6) }, () => dice.chance(0.5) ? 1 + dice.below(126) : dice.below(0x11_0000))))
      for (const words of anything) yield* found(words)
      for (const words of ["or", "\"quoted\"", "content:", "x*", "near", "c\u0000d", "a\"b", "^x", "{tenant}:t1", "NOT or", "-or", "(or"]) yield* found(words)
      assert.deepStrictEqual(yield* found("OR"), ["c/1"])
      assert.deepStrictEqual(yield* found("\"quoted\""), ["c/1"])
      assert.deepStrictEqual(yield* found("t1"), [])
    }).pipe(Effect.provide(database())))

  it.effect("finds what reading everything finds", () =>
    Effect.gen(function*() {
      let compared = 0
      for (let seed = 0; seed < 12; seed++) {
        const { journal, log } = history(seed, { size: 60, odd: false, expires: true })
        yield* (yield* Projections).reset
        yield* feed(random(seed + 1), { journal, log })
        const shown = expected(foldAll(journal, log), 5).conversations.flatMap(({ conversation_id, messages }) => messages.map(({ content, id }) => ({ at: `${conversation_id}/${id}`, content })))
        for (const word of new Set(shown.flatMap(({ content }) => content.match(/\w+/g) ?? []))) {
          const want = shown.filter(({ content }) => new RegExp(`\\b${word}`, "i").test(content)).map(({ at }) => at)
          assert.deepStrictEqual((yield* found(word)).filter((at) => !at.endsWith("/title")).sort(), want.sort(), `seed ${seed}, ${word}`)
          compared += want.length
        }
        yield* sound
      }
      assert.isAbove(compared, 50)
    }).pipe(Effect.provide(database())))
})

/** Words whose ends stand in an index's pages though beginnings are shared. */
const secrets = Array.from({ length: 40 }, (_, i) => `common${i}zqxsecret${i}`)

describe("what goes", () => {
  const erased: Fact = { type: "tenant.erased", data: { erased_at: "2026-11-22T10:00:00.000Z", before_seq: 100 } }
  for (const [how, last] of [["is expired", { type: "conversation.expired", data: { before_seq: 82 } }], ["is erased", erased]] as const) {
    it.effect(`leaves no word in the file once it ${how}`, () =>
      Effect.gen(function*() {
        const folder = yield* temporaryFolder
        const file = join(folder, "projections.db")
        const holds = (text: string) => readFileSync(file).includes(text)
        yield* Effect.gen(function*() {
          const sqlite = yield* Sqlite
          const keeps = secrets.map((_, i): Entry => ({ ...fromLog(i + 1, event(appended(`k${i}`, `common${i}kept`), { id: 5000 + i, source: sourceOf(1), lamport: i + 1, subject: "k" })), tenant: "t_neighbour" }))
          yield* (yield* Projections).absorb({ cursor: "log", epoch: "1", entries: keeps })
          yield* said(...secrets.map((word, i) => ["c", appended(`m${i}`, `${word} and more`)] as const))
          while ((yield* searchStep) > 0);
          // not in the index yet when it goes
          yield* said(["c", appended("late", "zqxlate")])
          yield* sqlite.compact
          assert.isTrue(holds("zqxsecret7"))
          yield* said([last === erased ? "settings" : "c", last])
          yield* sqlite.compact
          assert.isFalse(holds("zqx"))
          yield* sound
          assert.strictEqual((yield* found("common", "t_neighbour")).length, secrets.length)
          yield* said(["c", appended("new", "common again")])
          assert.deepStrictEqual(yield* found("common"), ["c/new"])
          yield* sound
        }).pipe(Effect.provide(databaseAt(file)))
      }))
  }
})
