// Goal: taking an event costs the same whatever was there before, and no query reads more than it answers.
// Method: count rows per batch beside a short and a long history; ask SQLite for the plan of every statement that ran.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Entry } from "../../../projections/Entry.ts"
import { stateDigest } from "../../../projections/conversations/digest.ts"
import { conflicts, countConflicts, findExisting, history as historyOf } from "../../../projections/conversations/history.ts"
import { exportPage } from "../../../projections/conversations/exportPage.ts"
import { heads } from "../../../projections/conversations/heads.ts"
import { counts, current, get, greatestLamport, list } from "../../../projections/conversations/queries.ts"
import { search } from "../../../projections/conversations/search.ts"
import { listPeers, peerById } from "../../../projections/peers/queries.ts"
import { Projections } from "../../../projections/runner.ts"
import { settingsOf } from "../../../projections/settings/queries.ts"
import { formsOf, placesOf } from "../../../projections/syncState/places.ts"
import { peerPositions, problemCounts, problems } from "../../../projections/syncState/queries.ts"
import { history } from "./histories.ts"
import { observed, scansOf, watchedDatabase } from "./observed.ts"
import { appended, event, feed, fromJournal, fromLog, random, sourceOf, tenant, timeOf, uuidOf } from "./rig.ts"

/** One conversation: messages appended and one message edited again and again, by two devices that see each other. */
const longLife = (from: number, size: number): ReadonlyArray<Entry> =>
  Array.from({ length: size }, (_, i) => {
    const n = from + i
    const about = { id: n, source: sourceOf(n % 2), lamport: n, time: timeOf(0), subject: "c" }
    if (n % 2 === 0) return fromLog(n, event(appended(`m${n}`, "text"), about))
    const base = { lamport: n - 2, time: timeOf(0), source: sourceOf((n - 2) % 2) }
    const data = { message_id: "edited", role: "user", content: `version ${n}`, timestamp: timeOf(0) }
    return fromLog(n, event({ type: "message.edited", data: n < 3 ? data : { ...data, base } }, { ...about, source: sourceOf(1) }))
  })

describe("the cost of an event", () => {
  it.effect("does not depend on how much history there is", () => {
    const seen = observed()
    return Effect.gen(function*() {
      const projections = yield* Projections
      const rowsFor = Effect.fnUntraced(function*(from: number, size: number) {
        seen.rows = 0
        seen.statements.clear()
        yield* projections.absorb({ cursor: "log", epoch: "1", entries: longLife(from, size) })
        return { rows: seen.rows, statements: [...seen.statements.values()].reduce((sum, n) => sum + n, 0) }
      })
      yield* rowsFor(1, 100)
      const early = yield* rowsFor(101, 100)
      for (let from = 201; from < 10_001; from += 700) yield* rowsFor(from, 700)
      const late = yield* rowsFor(10_001, 100)
      assert.deepStrictEqual(late, early)
      assert.isBelow(late.rows, 5 * 100)
    }).pipe(Effect.provide(watchedDatabase(seen)))
  })

  it.effect("does not depend on how long a message was edited before a late event comes", () => {
    const seen = observed()
    return Effect.gen(function*() {
      const projections = yield* Projections
      const late = Effect.fnUntraced(function*(seq: number, id: number) {
        seen.rows = 0
        const opened = event(
          { type: "message.edited", data: { message_id: "edited", role: "user", content: "late", timestamp: "" } },
          { id, source: sourceOf(7), lamport: 2, time: timeOf(id % 60), subject: "c" }
        )
        yield* projections.absorb({ cursor: "log", epoch: "1", entries: [fromLog(seq, opened)] })
        return seen.rows
      })
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: longLife(1, 100) })
      yield* late(101, 50_000)
      const few = yield* late(102, 50_001)
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: longLife(103, 4000) })
      assert.strictEqual(yield* late(5000, 50_002), few)
    }).pipe(Effect.provide(watchedDatabase(seen)))
  })

  it.effect("needs no statement that reads a table from end to end", () => {
    const seen = observed()
    return Effect.gen(function*() {
      for (let seed = 0; seed < 8; seed++) {
        const { journal, log } = history(seed, { size: 40, odd: false, expires: true })
        yield* (yield* Projections).reset
        yield* feed(random(seed), { journal, log }, 5)
      }
      seen.statements.forEach((_, sql) => /^\s*(drop|create|begin|commit)/.test(sql) && seen.statements.delete(sql))
      yield* everyQuery
      assert.isAbove(seen.statements.size, 50)
      const scanned: Array<string> = []
      for (const sql of [...seen.statements.keys()]) {
        if (sql.includes("pragma_table_list")) continue // when tables are made
        for (const line of yield* scansOf(sql)) scanned.push(`${line} in ${sql}`)
      }
      assert.deepStrictEqual(scanned, [])
      assert.isAbove((yield* scansOf("select count(*) from write where content = ''")).length, 0, "the check itself")
    }).pipe(Effect.provide(watchedDatabase(seen)))
  })
})

const everyQuery = Effect.gen(function*() {
  yield* list({ tenant, limit: 10 })
  yield* get({ tenant, conversation: "plain" })
  yield* current({ tenant, conversation: "plain", message: "m2" })
  yield* historyOf({ tenant, conversation: "plain", message: "m2" })
  yield* conflicts({ tenant, limit: 10 })
  yield* countConflicts(tenant)
  yield* search({ tenant, words: "yes", limit: 10 })
  yield* findExisting({ tenant, messages: [{ conversation: "plain", message_id: "m2", role: "user", content: "yes" }] })
  yield* counts(tenant)
  yield* greatestLamport(tenant)
  yield* heads({ tenant, conversations: ["plain"] })
  yield* exportPage({ tenant, after: "", limit: 10 })
  yield* placesOf(tenant, [uuidOf(1)])
  yield* formsOf(tenant, [uuidOf(1)])
  yield* stateDigest(tenant)
  yield* settingsOf(tenant)
  yield* listPeers(tenant)
  yield* peerById({ tenant, peer: "peer_0000000000000000" })
  yield* peerPositions(tenant)
  yield* problems({ tenant, limit: 10 })
  yield* problemCounts(tenant)
})

describe("an own event that comes back", () => {
  it.effect("costs its place in the ledger and nothing else", () => {
    const seen = observed()
    return Effect.gen(function*() {
      const projections = yield* Projections
      const events = Array.from({ length: 200 }, (_, i) => event(appended(`m${i}`, "text"), { id: i, source: sourceOf(0), lamport: i + 1, subject: "c" }))
      yield* projections.absorb({ cursor: "journal", epoch: "1", entries: events.map((opened, i) => fromJournal(i + 1, opened)) })
      seen.rows = 0
      const echoes = events.map(({ envelope }, i): Entry => ({ kind: "echo", seq: i + 1, tenant, eventId: envelope.id }))
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: echoes })
      assert.isBelow(seen.rows, 200 + 10)
      const whole = yield* list({ tenant, limit: 1 })
      assert.strictEqual(whole.items[0]?.message_count, 200)
    }).pipe(Effect.provide(watchedDatabase(seen)))
  })
})
