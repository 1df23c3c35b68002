// Goal: a commit holds exactly what may leave of the journal's next events, in order and within its limits; the range tells of all.
// Method: journals of plain events through `prepare` with real keys; what comes out is opened again and compared.
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Fact } from "../../streams/catalog.ts"
import { decode, encode, plain } from "../../streams/Envelope.ts"
import { defaults, type Settings } from "../../streams/events/settings.ts"
import { commitEventsMax, commitMaxBytes } from "../../streams/limits.ts"
import type { Stored } from "../../src/nats/EventLog.ts"
import { digestOf } from "../../src/security/digest.ts"
import { openEnvelope } from "../../src/security/envelopes.ts"
import { newDataKey } from "../../src/security/sealing.ts"
import { alreadyThere, pendingOf, prepare, type PrepareContext } from "../../src/local/prepare.ts"
import { sourceOf, timeOf, uuidOf } from "../property/projections/rig.ts"

const key = newDataKey("t_aaaaaaaaaaaaaaaa.1")
const contextOf = (settings: Partial<Settings> = {}, skip: Readonly<Record<string, string>> = {}): PrepareContext => ({
  settings: { ...defaults, ...settings },
  key,
  shareId: (id) => `h_${id.length}`,
  skip: (id) => skip[id]
})

const said = (content: string): Fact => ({ type: "message.appended", data: { message_id: "m", role: "user", content, timestamp: timeOf(0) } })
interface Wrote {
  readonly fact?: Fact
  readonly subject?: string
  readonly surface?: string
  readonly lamport?: number
  readonly sessionid?: string
}
/** A journal as it is stored: event n at sequence 10 + n. */
const journal = (...wrote: ReadonlyArray<Wrote>): ReadonlyArray<Stored> =>
  wrote.map(({ fact = said(`text ${wrote.length}`), lamport, sessionid, subject = "c1", surface = "cli" }, n) => ({
    seq: 10 + n,
    subject: "journal",
    time: 0,
    data: encode(plain(fact, { id: uuidOf(n), source: sourceOf(1), time: timeOf(n % 60), subject, lamport: lamport ?? n + 1, surface, ...(sessionid === undefined ? {} : { sessionid }) }))
  }))

const prepared = (pending: ReadonlyArray<Stored>, context = contextOf()) => {
  const made = prepare(pending.map(pendingOf), context)
  if (made._tag === "stopped") throw new Error(`stopped: ${made.why}`)
  return made
}
const opened = (events: ReadonlyArray<Uint8Array>) => events.map((bytes) => Result.getOrThrow(openEnvelope(Result.getOrThrow(decode(bytes)), () => key)))
const contents = (events: ReadonlyArray<Uint8Array>) => opened(events).map(({ fact }) => fact.type === "message.appended" ? fact.data.content : fact.type)

describe("a commit's content", () => {
  it("is the waiting events in order, sealed, everything else as it was", () => {
    const pending = journal({ fact: said("a"), sessionid: "sess_1" }, { fact: { type: "settings.changed", data: { redact_pii: false } }, subject: "settings" }, { fact: said("b"), subject: "c2" })
    const { commit, taken } = prepared(pending)
    assert.deepStrictEqual(contents(commit.events), ["a", "settings.changed", "b"])
    assert.deepStrictEqual([commit.from, commit.to, taken, commit.full], [10, 12, 3, false])
    assert.deepStrictEqual(commit.ids, [uuidOf(0), uuidOf(1), uuidOf(2)])
    assert.deepStrictEqual(commit.sent, commit.ids)
    assert.deepStrictEqual(commit.hashes, commit.events.map((bytes) => digestOf(bytes)))
    for (const [n, { envelope }] of opened(commit.events).entries()) {
      const { data: _, datacontenttype, ...about } = envelope
      const { data: __, datacontenttype: ___, ...here } = Result.getOrThrow(decode(pending[n]!.data))
      assert.strictEqual(datacontenttype, "application/jose")
      assert.deepStrictEqual(about, here)
    }
  })

  it("leaves redacted, and tells how it differs from what was written here", () => {
    const { commit } = prepared(journal({ fact: said("call ann@example.org") }, { fact: said("plain"), subject: "ann@example.org" }))
    assert.deepStrictEqual(contents(commit.events), ["call [REDACTED_EMAIL]", "plain"])
    assert.deepStrictEqual([...commit.shared], [[uuidOf(0), { content: "call [REDACTED_EMAIL]" }], [uuidOf(1), { conversation: "h_15" }]])
    assert.deepStrictEqual(contents(prepared(journal({ fact: said("call ann@example.org") }), contextOf({ redact_pii: false })).commit.events), ["call ann@example.org"])
  })

  it("covers what stays here: a surface that is not allowed, what was set aside, what cannot be read", () => {
    const broken: Stored = { seq: 13, subject: "journal", time: 0, data: Buffer.from("not an event") }
    const pending = [...journal({ surface: "web", fact: said("secret") }, { fact: said("a") }, { fact: said("refused") }), broken, { ...journal({}, {}, {}, {}, { fact: said("b") }).at(-1)! }]
    const { commit, taken } = prepared(pending, contextOf({ allowed_surfaces: ["cli"] }, { [uuidOf(2)]: "set aside: too long" }))
    assert.deepStrictEqual(contents(commit.events), ["a", "b"])
    assert.deepStrictEqual([commit.from, commit.to, taken], [10, 14, 5])
    assert.deepStrictEqual(commit.ids, [uuidOf(0), uuidOf(1), uuidOf(2), "unreadable-13", uuidOf(4)])
    assert.deepStrictEqual(commit.withheld.map(({ seq, why }) => [seq, why.split(":")[0]]), [[10, "surface"], [12, "set aside"], [13, "malformed"]])
  })

  it("does not send twice what the log holds, and calls it not withheld", () => {
    const { commit } = prepared(journal({ fact: said("there") }, { fact: said("new") }), contextOf({}, { [uuidOf(0)]: alreadyThere }))
    assert.deepStrictEqual(contents(commit.events), ["new"])
    assert.deepStrictEqual(commit.withheld, [])
    assert.deepStrictEqual(commit.ids, [uuidOf(0), uuidOf(1)])
  })

  it("may hold nothing at all, and still covers its range", () => {
    const { commit, taken } = prepared(journal({ surface: "web" }, { surface: "web" }), contextOf({ allowed_surfaces: [] }))
    assert.deepStrictEqual([commit.events.length, commit.ids.length, commit.from, commit.to, taken], [0, 2, 10, 11, 2])
  })

  it("ends before the first event that settings stop; stopped at once, it is none", () => {
    const settings = { fact: { type: "settings.changed", data: { sync_conversations: false } } as Fact, subject: "settings" }
    const { commit, taken } = prepared(journal(settings, { fact: said("a") }, settings), contextOf({ sync_conversations: false }))
    assert.deepStrictEqual([contents(commit.events), taken, commit.to, commit.full], [["settings.changed"], 1, 10, true])
    assert.deepStrictEqual(prepare(journal({ fact: said("a") }, settings).map(pendingOf), contextOf({ sync_conversations: false })), { _tag: "stopped", why: "sync_conversations" })
    assert.deepStrictEqual(prepare(journal({}).map(pendingOf), contextOf({ sync_enabled: false })), { _tag: "stopped", why: "sync_enabled" })
  })

  it("ends where lamports fall: two journals that were merged", () => {
    const pending = journal({ lamport: 5, fact: said("a") }, { lamport: 6, fact: said("b") }, { lamport: 6, fact: said("c") })
    const { commit, taken } = prepared(pending)
    assert.deepStrictEqual([contents(commit.events), taken], [["a", "b"], 2])
    assert.deepStrictEqual(contents(prepared(pending.slice(taken)).commit.events), ["c"])
  })

  it("ends at its limits: events, and bytes; one event larger than all of them goes alone", () => {
    const many = prepared(journal(...Array.from({ length: commitEventsMax + 5 }, () => ({}))))
    assert.deepStrictEqual([many.commit.events.length, many.taken, many.commit.full], [commitEventsMax, commitEventsMax, true])
    const third = said("x".repeat(commitMaxBytes / 4))
    const some = prepared(journal({ fact: third }, { fact: third }, { fact: third }))
    assert.strictEqual(some.taken, 2)
    assert.isAtMost(some.commit.bytes, commitMaxBytes)
    const big = said("x".repeat(1_500_000))
    const alone = prepared(journal({ fact: big }, { fact: said("a") }, { fact: big }, { fact: big }))
    assert.isAtMost(alone.commit.bytes, commitMaxBytes)
    assert.isAtLeast(alone.taken, 1)
  })

  it("takes every event exactly once, over as many commits as it needs", () => {
    let pending = journal(...Array.from({ length: 2500 }, (_, n) => ({ fact: said(`${n}`), ...(n % 7 === 0 ? { surface: "web" } : {}), lamport: 1 + n % 1100 })))
    const all = pending
    const seen: Array<string> = []
    let to = 9
    while (pending.length > 0) {
      const { commit, taken } = prepared(pending, contextOf({ allowed_surfaces: ["cli"] }))
      assert.strictEqual(commit.from, to + 1)
      to = commit.to
      seen.push(...commit.ids)
      assert.isAbove(taken, 0)
      pending = pending.slice(taken)
    }
    assert.deepStrictEqual(seen, all.map((_, n) => uuidOf(n)))
  })
})
