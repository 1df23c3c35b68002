// Goal: who wins a register is what an independent merge says too, not only our fold and our tables.
// Method: acknowledged writes, random ones and a recording of three people, through Automerge (see automerge.ts); wrong orders are noticed.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import type { Entry } from "../../projections/Entry.ts"
import { get } from "../../projections/conversations/queries.ts"
import { type ConversationView, view } from "../../projections/conversations/view.ts"
import { Projections } from "../../projections/runner.ts"
import { type Opened, stampOf } from "../../streams/Envelope.ts"
import { compare, type Stamp } from "../../streams/Stamp.ts"
import { type Acknowledged, bySource, byStamp, byTimeAndSource, differing, greatestBy, idsOf, makeOracle, type Naming } from "./automerge.ts"
import { foldAll } from "../property/projections/expected.ts"
import { writes } from "../property/projections/histories.ts"
import { eventsOf, missing, schedule, winners } from "../property/projections/recording.ts"
import { database, fromLog, random, sourceOf, tenant, uuidOf } from "../property/projections/rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))

const registerOf = ({ envelope, fact }: Opened): string | undefined =>
  "message_id" in fact.data
    ? JSON.stringify([envelope.subject, fact.data.message_id])
    // renamed to nothing is a write to the title, made without one is none
    : fact.type === "conversation.renamed" || (fact.type === "conversation.created" && fact.data.title !== undefined) ? JSON.stringify([envelope.subject]) : undefined

/** These writes and everything their authors knew. */
const pastOf = (byId: ReadonlyMap<string, Acknowledged>, after: ReadonlyArray<string>): ReadonlySet<string> => {
  const past = new Set<string>()
  const waiting = [...after]
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (past.has(id)) continue
    past.add(id)
    waiting.push(...byId.get(id)!.after)
  }
  return past
}

/** The writes of a random history to messages and titles. Their authors had seen what they wrote themselves, and their base. */
const randomHistory = (seed: number, size: number) => {
  const nobody = sourceOf(9)
  const all = writes(random(seed), nobody, { size, odd: false }).map(({ opened }) => opened).sort((a, b) => compare(stampOf(a.envelope), stampOf(b.envelope)))
  const acknowledged: Array<Acknowledged> = []
  const byId = new Map<string, Acknowledged>()
  for (const opened of all) {
    const register = registerOf(opened)
    if (register === undefined) continue
    const stamp = stampOf(opened.envelope)
    const { fact } = opened
    const named = fact.type === "message.edited" || fact.type === "message.deleted" ? fact.data.base : undefined
    const base = acknowledged.find((other) => named !== undefined && compare(other.stamp, named) === 0)
    const own = acknowledged.findLast((other) => other.stamp.source === stamp.source)
    const after = [own, base].flatMap((write) => write?.id ?? [])
    const write: Acknowledged = {
      id: opened.envelope.id,
      register,
      stamp,
      after,
      replaces: [...pastOf(byId, after)].filter((id) => byId.get(id)!.register === register),
      deletes: fact.type === "message.deleted"
    }
    acknowledged.push(write)
    byId.set(write.id, write)
  }
  return { acknowledged, entries: all.map((opened, i): Entry => fromLog(i + 1, opened)) }
}

/** The write that shows in every register, as the fold says. */
const foldWinners = (entries: ReadonlyArray<Entry>): ReadonlyMap<string, string> =>
  new Map([...view(foldAll(entries)).values()].flatMap(({ messages, shared, title }: ConversationView) => [
    ...messages.map((message): readonly [string, string] => [JSON.stringify([shared, message.shared]), message.shown.eventId]),
    ...(title === undefined ? [] : [[JSON.stringify([shared]), title.eventId] as const])
  ]))

const oracleWinners = (acknowledged: ReadonlyArray<Acknowledged>, naming: Naming, deletions: "values" | "removals" = "values") => {
  const oracle = makeOracle({ naming, deletions })
  oracle.add(acknowledged)
  return oracle.winners()
}

const histories = Array.from({ length: 150 }, (_, n) => randomHistory(n, 40))

describe("random histories", () => {
  it.prop("have the winners Automerge finds, deletions and titles too", [seed], ([seed]) => {
    const { acknowledged, entries } = randomHistory(seed, 40)
    assert.deepStrictEqual(differing(foldWinners(entries), oracleWinners(acknowledged, byTimeAndSource)), [])
  }, { arbitrary: { runs: 150 } })

  it("an actor for each backend differs exactly where clocks decide between equal lamports, and only in the winner's source", () => {
    let clocksDecided = 0
    for (const { acknowledged, entries } of histories) {
      const ours = foldWinners(entries)
      const theirs = oracleWinners(acknowledged, bySource)
      const byName = idsOf(greatestBy(acknowledged, withoutTime))
      assert.deepStrictEqual(differing(theirs, byName), [])
      for (const register of differing(ours, theirs)) {
        const [shown, other] = [ours, theirs].map((winners) => acknowledged.find(({ id }) => id === winners.get(register))!.stamp)
        assert.strictEqual(shown!.lamport, other!.lamport)
        assert.isTrue(shown!.time > other!.time && shown!.source < other!.source)
        clocksDecided++
      }
    }
    assert.isAbove(clocksDecided, 10)
  })

  it("a deletion differs from Automerge's only where somebody wrote without having seen each other: theirs keeps that write", () => {
    const seen = { deleted: 0, kept: 0, revived: 0 }
    for (const { acknowledged, entries } of histories) {
      const ours = foldWinners(entries)
      const theirs = oracleWinners(acknowledged, byTimeAndSource, "removals")
      const byId = new Map(acknowledged.map((write) => [write.id, write] as const))
      for (const [register, id] of ours) {
        const shown = byId.get(id)!
        const other = theirs.get(register)
        if (!shown.deletes) {
          // a later write revives, in both
          assert.strictEqual(other, id)
          if (acknowledged.some((write) => write.register === register && write.deletes)) seen.revived++
        } else if (other === undefined) seen.deleted++
        else {
          assert.isFalse(byId.get(other)!.deletes)
          assert.isFalse(pastOf(byId, shown.after).has(other))
          seen.kept++
        }
      }
    }
    for (const count of Object.values(seen)) assert.isAbove(count, 10)
  })
})

const withoutTime = (a: Stamp, b: Stamp): number => a.lamport - b.lamport || bytewise(a.source, b.source)
const bytewise = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

describe("a wrong order is noticed", () => {
  const wrong: Readonly<Record<string, (a: Stamp, b: Stamp) => number>> = {
    "source before time": (a, b) => a.lamport - b.lamport || bytewise(a.source, b.source) || bytewise(a.time, b.time),
    "no time": withoutTime,
    "no source: whoever came first": (a, b) => a.lamport - b.lamport || bytewise(a.time, b.time),
    "the smaller source": (a, b) => a.lamport - b.lamport || bytewise(a.time, b.time) || bytewise(b.source, a.source),
    "the clock alone": (a, b) => bytewise(a.time, b.time) || bytewise(a.source, b.source),
    "lamports as text": (a, b) => bytewise(String(a.lamport), String(b.lamport)) || compare(a, b)
  }
  const noticed = (order: (a: Stamp, b: Stamp) => number): number =>
    histories.filter(({ acknowledged }) =>
      differing(idsOf(greatestBy([...acknowledged].sort(byStamp), order)), oracleWinners(acknowledged, byTimeAndSource)).length > 0).length

  it("and the right one is not", () => assert.strictEqual(noticed(compare), 0))
  it.each(Object.keys(wrong))("%s", (name) => assert.isAbove(noticed(wrong[name]!), 0))
})

describe.skipIf(missing)(missing ? "skipped: ../shared/data missing" : "the clownschool schedule", () => {
  it.effect("has at every moment the winners Automerge finds, and the expected ones at the end", () =>
    Effect.gen(function*() {
      const rows = schedule()
      const recorded = eventsOf(rows)
      const acknowledged = recorded.map(({ opened, replaces }, i): Acknowledged => ({
        id: uuidOf(i),
        register: rows[i]!.key,
        stamp: stampOf(opened.envelope),
        after: rows[i]!.parents.map(uuidOf),
        replaces: replaces.map(uuidOf),
        deletes: false
      }))
      const index = new Map(acknowledged.map(({ id }, i) => [id, i] as const))
      const oracle = makeOracle({ naming: byTimeAndSource, deletions: "values" })
      const projections = yield* Projections
      const step = Math.ceil(recorded.length / 24)
      for (let from = 0; from < recorded.length; from += step) {
        const part = acknowledged.slice(from, from + step)
        oracle.add(part)
        yield* projections.absorb({ cursor: "log", epoch: "1", entries: recorded.slice(from, from + step).map(({ opened }, i) => fromLog(from + i + 1, opened)) })
        const { messages } = Option.getOrThrow(yield* get({ tenant, conversation: "clownschool" }))
        const theirs = oracle.winners()
        assert.deepStrictEqual(new Map(messages.map(({ content, id }) => [id, content] as const)), new Map([...theirs].map(([key, id]) => [key, `write ${index.get(id)}`] as const)))
      }
      const last = oracle.winners()
      for (const [key, { i }] of Object.entries(winners())) assert.strictEqual(index.get(last.get(key)!), i)
      assert.strictEqual(last.size, 78)
    }).pipe(Effect.provide(database())))
})
