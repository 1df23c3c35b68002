// Goal: backends that write, hear of each other late and write again show what Automerge documents in their place show.
// Method: three real journals (on logs in memory) and tables with clocks of their own; beside each an Automerge document, changed and synced alike.
import { applyChanges, change, clone, decodeChange, type Doc, getLastLocalChange, init } from "@automerge/automerge"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { Entry } from "../../projections/Entry.ts"
import { current, get } from "../../projections/conversations/queries.ts"
import { Projections } from "../../projections/runner.ts"
import { makeMemoryLog } from "../../src/nats/memoryLog.ts"
import { type LamportClock, makeJournal } from "../../src/local/Journal.ts"
import type { Fact } from "../../streams/catalog.ts"
import { decode, interpret, type Opened, stampOf } from "../../streams/Envelope.ts"
import { byTimeAndSource } from "./automerge.ts"
import { database, type Dice, random, sourceOf, tenant } from "../property/projections/rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const conversation = "c"
const messages = ["m1", "m2", "m3"]
/** The number of the write a message shows, below zero where that deletes it. A number, because it is one operation; a text would be several. */
type Shown = Record<string, number>

/** An acknowledged write in the log all share, and the same as a change of the author's document. */
interface Committed {
  readonly opened: Opened
  readonly change: Uint8Array
}

/** One backend: its journal and tables as they are, and a document that goes through the same. */
const makeBackend = Effect.fnUntraced(function*(source: string, skewMillis: number, dice: Dice) {
  const tables = yield* Layer.build(database())
  const log = yield* makeMemoryLog("JOURNAL")
  const clock: LamportClock = { seen: 0 }
  const journal = yield* makeJournal(log, { clock, source, lastSeq: 0 })
  yield* Effect.forkScoped(journal.run)
  let doc: Doc<Shown> = init<Shown>()
  let heard = 0
  const waiting: Array<Committed> = []

  const factFor = Effect.fnUntraced(function*(message_id: string, content: string) {
    const held = Option.getOrUndefined(yield* current({ tenant, conversation, message: message_id }))
    const data = { message_id, role: "user", content, timestamp: "" }
    if (held === undefined) return { type: "message.appended", data } satisfies Fact
    return !held.deleted && dice.chance(0.3)
      ? { type: "message.deleted", data: { message_id, base: held.stamp } } satisfies Fact
      : { type: "message.edited", data: { ...data, base: held.stamp } } satisfies Fact
  })

  const write = Effect.fnUntraced(function*(nowMillis: number, nth: number) {
    const message = dice.pick(messages)
    const fact = yield* factFor(message, `write ${nth}`)
    yield* TestClock.setTime(nowMillis + skewMillis)
    const [written] = yield* journal.write([{ fact, subject: conversation, surface: "cli" }])
    const stored = Option.getOrThrow(yield* log.get(written!.position))
    const envelope = Result.getOrThrow(decode(stored.data))
    const opened = Result.getOrThrow(interpret(envelope, envelope.data))
    const projections = yield* Projections
    yield* projections.absorb({ cursor: "journal", epoch: "1", entries: [{ kind: "event", log: "journal", seq: stored.seq, tenant, opened, own: true }] })
    doc = change(clone(doc, { actor: byTimeAndSource(stampOf(envelope)) }), { time: 0 }, (keys) => {
      keys[message] = fact.type === "message.deleted" ? -nth : nth
    })
    const made = getLastLocalChange(doc)!
    // Automerge counts as we do, unasked
    assert.strictEqual(decodeChange(made).startOp, envelope.lamport)
    waiting.push({ opened, change: made })
  })

  const read = Effect.fnUntraced(function*(shared: ReadonlyArray<Committed>) {
    const from = heard
    heard += dice.below(shared.length - heard + 1)
    const news = shared.slice(from, heard)
    const projections = yield* Projections
    yield* projections.absorb({
      cursor: "log",
      epoch: "1",
      entries: news.map(({ opened }, i): Entry =>
        opened.envelope.source === source
          ? { kind: "echo", seq: from + i + 1, tenant, eventId: opened.envelope.id }
          : { kind: "event", log: "log", seq: from + i + 1, tenant, opened, own: false })
    })
    for (const { opened } of news) clock.seen = Math.max(clock.seen, opened.envelope.lamport)
    doc = applyChanges(doc, news.map(({ change }) => change))[0]
  })

  const compare = Effect.gen(function*() {
    const held = yield* get({ tenant, conversation })
    const ours = Option.match(held, { onNone: () => [], onSome: ({ messages }) => messages.map(({ content, id }) => [id, content] as const) })
    const theirs = Object.entries(doc).filter(([, nth]) => nth > 0).map(([message, nth]) => [message, `write ${nth}`] as const)
    assert.deepStrictEqual(new Map(ours), new Map(theirs))
  })

  const here = Effect.provideContext(tables)
  return {
    write: (nowMillis: number, nth: number) => here(write(nowMillis, nth)),
    /** Commit what waits, oldest first. */
    send: (shared: Array<Committed>) => shared.push(...waiting.splice(0)),
    read: (shared: ReadonlyArray<Committed>) => here(read(shared)),
    behind: (shared: ReadonlyArray<Committed>) => heard < shared.length,
    compare: here(compare)
  }
})

describe("backends at work", () => {
  it.effect.prop("show at every moment what Automerge documents show", [seed], ([seed]) =>
    Effect.gen(function*() {
      const dice = random(seed)
      const backends = yield* Effect.forEach([0, 1, 2], (n) => makeBackend(sourceOf(n), dice.below(5) * 1000, dice))
      const shared: Array<Committed> = []
      for (let nth = 1; nth <= 40; nth++) {
        const backend = dice.pick(backends)
        yield* backend.write(1_795_000_000_000 + 1000 * Math.floor(nth / 4), nth)
        if (dice.chance(0.5)) backend.send(shared)
        if (dice.chance(0.5)) yield* backend.read(shared)
        yield* backend.compare
      }
      for (const backend of backends) backend.send(shared)
      for (const backend of backends) {
        while (backend.behind(shared)) yield* backend.read(shared)
        yield* backend.compare
      }
      assert.strictEqual(shared.length, 40)
    }), { arbitrary: { runs: 10 } })
})
