import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, type Scope } from "effect"
import { stateDigest } from "../../../projections/conversations/digest.ts"
import { get, greatestLamport, list } from "../../../projections/conversations/queries.ts"
import type { Projection } from "../../../projections/Projection.ts"
import { allProjections } from "../../../projections/projections.ts"
import { EpochChanged, Projections } from "../../../projections/runner.ts"
import { Sqlite } from "../../../projections/Sqlite.ts"
import { SqliteFailed } from "../../../projections/SqliteFailed.ts"
import type { Opened } from "../../../streams/Envelope.ts"
import { appended, event, fromLog, sourceOf, tenant } from "../../property/projections/rig.ts"

export const message = (n: number, content = "text", subject = "c"): Opened => event(appended(`m${n}`, content), { id: n, source: sourceOf(0), lamport: n, subject })
export const offer = (seq: number, ...events: ReadonlyArray<Opened>) => ({ cursor: "log", epoch: "1", entries: events.map((opened, i) => fromLog(seq + i, opened)) })
const rowsOf = (table: string) => Effect.map(Sqlite.use((sqlite) => sqlite.all<{ n: number }>(`select count(*) as n from ${table}`)), ([row]) => row!.n)

/** Tables in a database that is new, or was opened before. */
export type Tables = (projections: ReadonlyArray<Projection>) => Layer.Layer<Projections | Sqlite, SqliteFailed>

/** What the projections need of every implementation of `Sqlite`. `open` gives a new database that can be opened again. */
export const projectionsSuite = (name: string, open: Effect.Effect<Tables, never, Scope.Scope>) => {
  const database = (projections: ReadonlyArray<Projection> = allProjections) => Layer.unwrap(Effect.map(open, (tables) => tables(projections)))

  describe(`the runner on ${name}`, () => {
    it.effect("takes a batch once and moves the cursor with it", () =>
      Effect.gen(function*() {
        const projections = yield* Projections
        assert.deepStrictEqual(yield* projections.absorb(offer(1, message(1), message(2))), { seq: 2, epoch: "1" })
        assert.deepStrictEqual(yield* projections.absorb(offer(1, message(1), message(2), message(3))), { seq: 3, epoch: "1" })
        assert.strictEqual(yield* rowsOf("write"), 3)
        assert.deepStrictEqual(yield* projections.absorb({ cursor: "log", epoch: "1", entries: [], through: 9 }), { seq: 9, epoch: "1" })
        assert.deepStrictEqual([...yield* projections.positions], [["log", { seq: 9, epoch: "1" }]])
        assert.strictEqual(yield* greatestLamport(tenant), 3)
      }).pipe(Effect.provide(database())))

    it.effect("leaves neither rows nor cursor when a projection fails, and goes on afterwards", () => {
      let failing = true
      const refuses: Projection = {
        name: "refuses",
        shape: 1,
        ddl: ["create table refused (n integer not null check (n > 0)) strict"],
        absorb: (tx) => Effect.asVoid(tx.run("insert into refused values (?)", failing ? -1 : 1)),
        forget: () => Effect.void
      }
      return Effect.gen(function*() {
        const projections = yield* Projections
        const failed = yield* Effect.flip(projections.absorb(offer(1, message(1))))
        assert.instanceOf(failed, SqliteFailed)
        assert.strictEqual(failed.reason, "defect")
        assert.strictEqual(yield* rowsOf("write"), 0)
        assert.strictEqual((yield* projections.positions).size, 0)
        failing = false
        yield* projections.absorb(offer(1, message(1)))
        assert.strictEqual(yield* rowsOf("write"), 1)
      }).pipe(Effect.provide(database([...allProjections, refuses])))
    })

    it.effect("names a full disk, keeps what it has, and takes the same batch when there is room", () =>
      Effect.gen(function*() {
        const sqlite = yield* Sqlite
        const projections = yield* Projections
        yield* projections.absorb(offer(1, message(1)))
        const [held] = yield* sqlite.all<{ page_count: number }>("pragma page_count")
        yield* sqlite.transaction((tx) => tx.all(`pragma max_page_count = ${held!.page_count}`))
        const large = Array.from({ length: 50 }, (_, i) => message(i + 2, "x".repeat(4000)))
        const failed = yield* Effect.flip(projections.absorb(offer(2, ...large)))
        assert.instanceOf(failed, SqliteFailed)
        assert.strictEqual(failed.reason, "disk full")
        assert.include(failed.hint, "Free disk space")
        assert.strictEqual(yield* rowsOf("write"), 1)
        yield* sqlite.transaction((tx) => tx.all("pragma max_page_count = 1000000"))
        yield* projections.absorb(offer(2, ...large))
        assert.strictEqual(yield* rowsOf("write"), 51)
      }).pipe(Effect.provide(database())))

    it.effect("refuses a batch of another epoch until it is reset", () =>
      Effect.gen(function*() {
        const projections = yield* Projections
        yield* projections.absorb(offer(1, message(1)))
        const refused = yield* Effect.result(projections.absorb({ ...offer(1, message(2)), epoch: "2" }))
        assert.isTrue(Result.isFailure(refused) && refused.failure instanceof EpochChanged)
        yield* projections.reset
        assert.strictEqual(yield* rowsOf("write"), 0)
        assert.strictEqual((yield* projections.positions).size, 0)
        yield* projections.absorb({ ...offer(1, message(2)), epoch: "2" })
        assert.strictEqual(yield* rowsOf("write"), 1)
      }).pipe(Effect.provide(database())))

    it.effect("takes nothing behind tables that were emptied meanwhile: the beginning would be missing for good", () =>
      Effect.gen(function*() {
        const projections = yield* Projections
        yield* projections.absorb(offer(1, message(1)))
        yield* projections.reset
        // the reader had read on, and hears of it only now
        assert.strictEqual((yield* projections.absorb({ ...offer(2, message(2)), after: 1 })).seq, 0)
        assert.strictEqual(yield* rowsOf("write"), 0)
        for (const n of [1, 2]) yield* projections.absorb({ ...offer(n, message(n)), after: n - 1 })
        assert.strictEqual(yield* rowsOf("write"), 2)
      }).pipe(Effect.provide(database())))

    it.effect("keeps what is there when it is opened again, and starts anew when a shape differs", () =>
      Effect.gen(function*() {
        const tables = yield* open
        const opened = <A, E>(projections: ReadonlyArray<Projection>, body: Effect.Effect<A, E, Projections | Sqlite>) =>
          Effect.scoped(Effect.provide(body, Layer.fresh(tables(projections))))
        const seen = Effect.gen(function*() {
          const { positions, rebuildNeeded } = yield* Projections
          return { rebuildNeeded, seq: (yield* positions).get("log")?.seq ?? 0, writes: yield* rowsOf("write") }
        })
        const changed = allProjections.map((projection) => ({ ...projection, shape: projection.shape + Number(projection.name === "peers") }))
        yield* opened(allProjections, Projections.use((projections) => projections.absorb(offer(1, message(1)))))
        assert.deepStrictEqual(yield* opened(allProjections, seen), { rebuildNeeded: false, seq: 1, writes: 1 })
        assert.deepStrictEqual(yield* opened(changed, seen), { rebuildNeeded: true, seq: 0, writes: 0 })
        assert.deepStrictEqual(yield* opened(changed, seen), { rebuildNeeded: false, seq: 0, writes: 0 })
      }))

    it.effect("forgets a tenant that was erased, and only that one", () =>
      Effect.gen(function*() {
        const projections = yield* Projections
        const erased = event({ type: "tenant.erased", data: { erased_at: "2026-11-22T10:00:00.000Z", before_seq: 3 } }, { id: 99, source: sourceOf(5, "hosted"), lamport: 9, subject: "settings" })
        const neighbour = { ...fromLog(2, message(2, "stays")), tenant: "t_neighbour" }
        yield* projections.absorb({ cursor: "log", epoch: "1", entries: [fromLog(1, message(1, "goes")), neighbour, fromLog(3, erased), fromLog(4, message(4, "after"))] })
        const left = yield* Sqlite.use((sqlite) => sqlite.all<{ content: string }>("select content from write order by id"))
        assert.deepStrictEqual(left.map(({ content }) => content), ["stays", "after"])
        assert.strictEqual(yield* greatestLamport(tenant), 9)
        assert.strictEqual((yield* list({ tenant: "t_neighbour", limit: 10 })).items.length, 1)
      }).pipe(Effect.provide(database())))

    it.effect("tells who waits when a cursor has come far enough", () =>
      Effect.gen(function*() {
        const projections = yield* Projections
        const waiting = yield* Effect.forkChild(projections.reached("log", 2), { startImmediately: true })
        yield* projections.absorb(offer(1, message(1)))
        assert.isUndefined(waiting.pollUnsafe())
        yield* projections.absorb(offer(2, message(2)))
        yield* Fiber.join(waiting)
      }).pipe(Effect.provide(database())))

    it.effect("gives every text back as it was written", () => {
      const texts = ["", "\u0000", "a\u0000b", "\u{1F600}\uFEFF\uFFFE", "'; drop table write; --", "\\u0041\"\n\r\t", "\u2028\u2029", "ﷺ".repeat(1000)]
      return Effect.gen(function*() {
        const projections = yield* Projections
        yield* projections.absorb(offer(1, ...texts.map((text, i) => event(appended(`${text}${i}`, text), { id: i, source: sourceOf(0), lamport: i + 1, subject: "c" }))))
        const held = yield* get({ tenant, conversation: "c" })
        assert.deepStrictEqual(held._tag === "Some" ? held.value.messages.map(({ content, id }) => [id, content]) : [], texts.map((text, i) => [`${text}${i}`, text]))
      }).pipe(Effect.provide(database()))
    })

    it.effect("rolls back when whoever writes is interrupted", () =>
      Effect.gen(function*() {
        const sqlite = yield* Sqlite
        const writing = yield* Effect.forkChild(
          sqlite.transaction((tx) => Effect.andThen(tx.run("insert into tenant (name, lamport) values ('half', 0)"), Effect.never)),
          { startImmediately: true }
        )
        yield* Fiber.interrupt(writing)
        assert.strictEqual(yield* rowsOf("tenant"), 0)
        assert.strictEqual(yield* stateDigest(tenant), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
      }).pipe(Effect.provide(database())))

    it.effect("keeps events of one id apart where they are two tenants'", () =>
      Effect.gen(function*() {
        const projections = yield* Projections
        const [mine] = offer(1, message(1)).entries
        yield* projections.absorb({ cursor: "log", epoch: "1", entries: [mine!, { ...mine!, seq: 2, tenant: "other" }, { ...mine!, seq: 3 }] })
        assert.strictEqual(yield* rowsOf("event"), 2)
        assert.strictEqual(yield* rowsOf("write"), 2)
      }).pipe(Effect.provide(database())))
  })

  describe(`a transaction on ${name}`, () => {
    const put = (name: string, lamport: number) => ["insert into tenant (name, lamport) values (?, ?)", name, lamport] as const

    it.effect("shows what was put to the next query, and writes it with the rest", () =>
      Effect.gen(function*() {
        const sqlite = yield* Sqlite
        yield* sqlite.transaction(Effect.fnUntraced(function*(tx) {
          tx.put(...put("a", 1))
          assert.deepStrictEqual(yield* tx.before("select name from tenant"), [])
          assert.deepStrictEqual((yield* tx.all<{ name: string }>("select name from tenant")).map(({ name }) => name), ["a"])
          tx.put(...put("b", 2))
          tx.put("update tenant set lamport = lamport + ?2 where name = ?1", "b", 40)
        }))
        assert.deepStrictEqual((yield* sqlite.all<{ name: string; lamport: number }>("select name, lamport from tenant order by name")).map((row) => ({ ...row })), [{ name: "a", lamport: 1 }, { name: "b", lamport: 42 }])
      }).pipe(Effect.provide(database())))

    it.effect("writes nothing of what was put when one of it is refused, large or small, and goes on afterwards", () =>
      Effect.gen(function*() {
        const sqlite = yield* Sqlite
        for (const size of [1, 100_000]) {
          const refused = sqlite.transaction((tx) => Effect.sync(() => {
            tx.put(...put("x".repeat(size), 1))
            tx.put(...put("twice", 1))
            tx.put(...put("twice", 2))
            tx.memory.set("remembered", 1)
          }))
          assert.instanceOf(yield* Effect.flip(refused), SqliteFailed)
          assert.strictEqual(yield* rowsOf("tenant"), 0)
        }
        yield* sqlite.transaction((tx) => Effect.sync(() => {
          assert.strictEqual(tx.memory.size, 0)
          tx.put(...put("x", 1))
          tx.put(...put("twice", 1))
          tx.put(...put("thrice", 2))
        }))
        assert.strictEqual(yield* rowsOf("tenant"), 3)
      }).pipe(Effect.provide(database())))
  })
}
