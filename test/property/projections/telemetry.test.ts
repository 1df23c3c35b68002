// Goal: telemetry's tables mean what its fold says: each event once by peer and id, sums exact, whatever is repeated, cut or read again.
// Method: random events, many of them equal, wild figures and times, in random batches; the roll-ups against the fold's.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { TelemetryEntry } from "../../../projections/Entry.ts"
import { Projections } from "../../../projections/runner.ts"
import { apply, empty, type Hour, type State } from "../../../projections/telemetry/apply.ts"
import { forgetTelemetry } from "../../../projections/telemetry/expire.ts"
import { telemetryCursor } from "../../../projections/telemetry/follow.ts"
import { listTelemetry, telemetryHours } from "../../../projections/telemetry/queries.ts"
import type { TelemetryEvent } from "../../../streams/telemetry.ts"
import type { Sqlite } from "../../../projections/Sqlite.ts"
import type { SqliteFailed } from "../../../projections/SqliteFailed.ts"
import { database, type Dice, event, fromLog, random, sourceOf, tenant } from "./rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const stored = Date.parse("2026-11-22T10:30:00.000Z")

const eventOf = (dice: Dice): TelemetryEvent => ({
  event_id: `e${dice.below(30)}`,
  event_type: dice.pick(["capture", "model warning", "a\"b|c"]),
  session_id: "",
  timestamp: dice.pick(["2026-11-22T10:15:00Z", "2026-11-22T11:15:00+02:00", "2026-11-22T23:00:00Z", "yesterday", "2026-11-22T10:00:00", ""]),
  source_backend: dice.pick(["local", "ios_local"]),
  metadata: {},
  ...(dice.chance(0.7) ? { latency_ms: dice.pick([0.0004, 12.3456, 1e300, -5, dice.below(1000)]) } : {}),
  ...(dice.chance(0.5) ? { tokens_used: dice.pick([0, 1.5, 1e30, dice.below(5000)]) } : {}),
  ...(dice.chance(0.5) ? { cost_usd: dice.pick([0.1, 0.2, 1e-9, 1e12, -1]) } : {}),
  ...(dice.chance(0.5) ? { model: dice.pick(["m1", "m2", ""]) } : {})
})

const entriesOf = (dice: Dice): ReadonlyArray<TelemetryEntry> =>
  Array.from({ length: 120 }, (_, i) => ({ kind: "telemetry", seq: i + 1, tenant, peer: dice.pick(["p1", "p2"]), stored: stored + dice.below(2) * 3_600_000, event: eventOf(dice) }))

const folded = (entries: ReadonlyArray<TelemetryEntry>): ReadonlyArray<Hour> => [...entries.reduce<State>(apply, empty).hours.values()]
const byCell = (hours: ReadonlyArray<Hour>) => [...hours].sort((a, b) => JSON.stringify([a.hour, a.type, a.model, a.peer]) < JSON.stringify([b.hour, b.type, b.model, b.peer]) ? -1 : 1)

/** All roll-ups, through pages of five. */
const hours = Effect.gen(function*() {
  const all: Array<Hour> = []
  for (let cursor: string | undefined;;) {
    const page: Effect.Success<ReturnType<typeof telemetryHours>> = yield* telemetryHours({ tenant, limit: 5, cursor })
    all.push(...page.items.map(({ tenant: _, ...hour }) => hour))
    if (page.cursor === null) return byCell(all)
    cursor = page.cursor
  }
})

const absorbed = Effect.fnUntraced(function*(entries: ReadonlyArray<TelemetryEntry>, dice: Dice) {
  const { absorb } = yield* Projections
  for (let at = 0; at < entries.length;) {
    const batch = entries.slice(at, at += 1 + dice.below(40))
    yield* absorb({ cursor: telemetryCursor, epoch: "first", entries: batch })
    // offered again: the cursor knows
    if (dice.chance(0.2)) yield* absorb({ cursor: telemetryCursor, epoch: "first", entries: batch })
  }
})

describe("telemetry roll-ups", () => {
  it.effect.prop("tables and fold agree, and a stream made anew counts nothing twice", [seed], ([seed]) =>
    Effect.gen(function*() {
      const dice = random(seed)
      const entries = entriesOf(dice)
      yield* absorbed(entries, dice)
      assert.deepStrictEqual(yield* hours, byCell(folded(entries)))
      const { absorb, newInput } = yield* Projections
      yield* newInput(telemetryCursor, "second")
      yield* absorb({ cursor: telemetryCursor, epoch: "second", entries })
      assert.deepStrictEqual(yield* hours, byCell(folded(entries)))
      const listed = yield* listTelemetry({ tenant, limit: 1000 })
      assert.strictEqual(listed.items.length, folded(entries).reduce((sum, { events }) => sum + events, 0))
    }).pipe(Effect.provide(database()), Effect.scoped), { arbitrary: { runs: 15 } })

  it.effect("believes a time that names its zone and is not in the future, else the time of storing", () =>
    Effect.sync(() => {
      const hourOf = (timestamp: string) => folded([{ kind: "telemetry", seq: 1, tenant, peer: "p", stored, event: { ...eventOf(random(1)), timestamp } }])[0]?.hour
      assert.strictEqual(hourOf("2026-11-22T11:15:00+02:00"), "2026-11-22T09")
      for (const other of ["2026-11-22T23:00:00Z", "2026-11-22T07:00:00", "yesterday", "1755099880", "-000001-01-01T00:00:00Z"]) assert.strictEqual(hourOf(other), "2026-11-22T10", other)
    }))

  // what events say of their own time does not matter
  it.effect.each([[1, 30], [45, 45], [undefined, 90]] as const)("with retention_days %s: events go after 30 days, what they added up to after %s", ([days, kept]) =>
    Effect.gen(function*() {
      const dice = random(7)
      yield* absorbed(entriesOf(dice), dice)
      const { absorb } = yield* Projections
      if (days !== undefined) yield* absorb({ cursor: "log", epoch: "1", entries: [fromLog(1, event({ type: "settings.changed", data: { retention_days: days } }, { id: 1, source: sourceOf(1), lamport: 1, subject: "settings" }))] })
      const before = yield* hours
      const after = Effect.fnUntraced(function*(since: number) {
        yield* forgetTelemetry(stored + since * 86_400_000)
        return { events: (yield* listTelemetry({ tenant, limit: 200 })).items.length > 0, hours: yield* hours }
      })
      assert.deepStrictEqual(yield* after(29), { events: true, hours: before })
      if (kept > 31) assert.deepStrictEqual(yield* after(31), { events: false, hours: before })
      assert.deepStrictEqual((yield* after(kept)).hours, before)
      assert.deepStrictEqual(yield* after(kept + 2), { events: false, hours: [] })
    }).pipe(Effect.provide(database()), Effect.scoped))

  it.effect("of everybody come in one order, each with whose it is, through pages of any size", () =>
    Effect.gen(function*() {
      const dice = random(11)
      const tenants = ["t_b", "t_a", "self"]
      const entries = entriesOf(dice).map((entry): TelemetryEntry => ({ ...entry, tenant: dice.pick(tenants), peer: dice.pick(["p1", "hosted"]) }))
      yield* absorbed(entries, dice)
      const paged = Effect.fnUntraced(function*<A>(page: (cursor: string | undefined) => Effect.Effect<{ readonly items: ReadonlyArray<A>; readonly cursor: string | null }, SqliteFailed, Sqlite>) {
        const all: Array<A> = []
        for (let cursor: string | undefined;;) {
          const { cursor: next, items } = yield* page(cursor)
          all.push(...items)
          if (next === null) return all
          cursor = next
        }
      })
      const events = yield* paged((cursor) => listTelemetry({ tenant: undefined, limit: 7, cursor }))
      assert.deepStrictEqual(events.map(({ seq }) => seq), events.map(({ seq }) => seq).toSorted((a, b) => a - b))
      assert.strictEqual(events.length, new Set(entries.map(({ event, peer, tenant }) => `${tenant} ${peer} ${event.event_id}`)).size)
      for (const { seq, tenant } of events) assert.strictEqual(tenant, entries[seq - 1]!.tenant)
      const cells = yield* paged((cursor) => telemetryHours({ tenant: undefined, limit: 7, cursor }))
      const apart = yield* Effect.forEach(tenants, (tenant) => Effect.map(telemetryHours({ tenant, limit: 500 }), ({ items }) => items))
      const placeOf = ({ hour, model, peer, tenant, type }: (typeof cells)[number]) => JSON.stringify([hour, type, model, peer, tenant])
      assert.deepStrictEqual(cells.toSorted((a, b) => placeOf(a) < placeOf(b) ? -1 : 1), apart.flat().toSorted((a, b) => placeOf(a) < placeOf(b) ? -1 : 1))
      assert.isAtLeast(cells.length, 20)
      const since = cells.at(-1)!.hour
      assert.deepStrictEqual((yield* telemetryHours({ tenant: undefined, limit: 500, since: `${since}:00:00.000Z` })).items, cells.filter(({ hour }) => hour >= since))
    }).pipe(Effect.provide(database()), Effect.scoped))
})
