// Goal: whatever somebody with access to the store does to a log, readers name it and lose nothing else.
// Method: a log of three authors with real keys; one row per way to spoil it, with what is named and what still counts.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { subjects } from "../../streams/subjects.ts"
import { keyId, type KeyPair } from "../../src/security/keys.ts"
import { openEnvelope } from "../../src/security/envelopes.ts"
import { LogAudit } from "../../src/security/LogAudit.ts"
import { type LogMessage, LogReader } from "../../src/security/LogReader.ts"
import { newDataKey } from "../../src/security/sealing.ts"
import { signRotation } from "../../src/security/proofs.ts"
import { type Author, LogHistory, makeKeys } from "../support/logHistory.ts"

const keys = Effect.runPromise(makeKeys(["hosted", "ada", "bob", "next", "mallory"]))

interface Spoiled {
  readonly log: LogHistory
  readonly ada: Author
  readonly bob: Author
  readonly keys: Readonly<Record<"hosted" | "ada" | "bob" | "next" | "mallory", KeyPair>>
}

/**
 * 1 ada joins, 2 hosted's record, 3 bob joins, 4 hosted's record, 5 a1, 6 a2, 7 ada's record, 8 b1, 9 bob's,
 * 10 a3, 11 ada's, 12 b2, 13 b3, 14 bob's.
 */
const honest = async (): Promise<Spoiled> => {
  const made = (await keys) as Spoiled["keys"]
  const log = new LogHistory(made.hosted)
  const ada = log.join("ada", made.ada)
  const bob = log.join("bob", made.bob)
  log.commit(ada, [log.said(ada, "c1", "a1"), log.said(ada, "c1", "a2")])
  log.commit(bob, [log.said(bob, "c1", "b1")])
  log.commit(ada, [log.said(ada, "c2", "a3")])
  log.commit(bob, [log.said(bob, "c2", "b2"), log.said(bob, "c1", "b3")])
  return { log, ada, bob, keys: made }
}
const whole = ["a1", "a2", "b1", "a3", "b2", "b3"]

/** A row: what is done to the stored messages, what is named then, and which contents still count. */
interface Row {
  readonly what: string
  readonly spoil: (messages: Array<LogMessage>, history: Spoiled) => Array<LogMessage> | Promise<Array<LogMessage>>
  readonly named: ReadonlyArray<string>
  readonly counts: ReadonlyArray<string>
  readonly waiting?: number
}

const at = (messages: ReadonlyArray<LogMessage>, seq: number): LogMessage => messages.find((message) => message.seq === seq)!
const flipped = (data: Uint8Array, index: number): Uint8Array => data.with(index, data[index]! ^ 1)
const changed = (messages: Array<LogMessage>, seq: number, change: (message: LogMessage) => Partial<LogMessage>) =>
  messages.map((message) => message.seq === seq ? { ...message, ...change(message) } : message)
const without = (...seqs: ReadonlyArray<number>) => (messages: Array<LogMessage>) => messages.filter(({ seq }) => !seqs.includes(seq))
const swap = (a: number, b: number) => (messages: Array<LogMessage>) =>
  messages.map((message) => message.seq === a ? { ...at(messages, b), seq: a } : message.seq === b ? { ...at(messages, a), seq: b } : message)
/** Put in right behind `after`, with sequences made of halves: nothing else moves. */
const between = (after: number, ...put: ReadonlyArray<Omit<LogMessage, "seq">>) => (messages: Array<LogMessage>) =>
  messages.flatMap((message) => message.seq === after ? [message, ...put.map((one, i) => ({ ...one, seq: after + (i + 1) / 10 }))] : [message])

const storeRows: ReadonlyArray<Row> = [
  { what: "nothing", spoil: (messages) => messages, named: [], counts: whole },
  { what: "one byte of an event changed", spoil: (m) => changed(m, 6, ({ data }) => ({ data: flipped(data, 200) })), named: ["uncovered 6", "quarantined 7"], counts: ["a1", "b1", "a3", "b2", "b3"] },
  { what: "an event removed", spoil: without(6), named: ["quarantined 7"], counts: ["a1", "b1", "a3", "b2", "b3"] },
  { what: "all events of a commit removed", spoil: without(5, 6), named: ["quarantined 7"], counts: ["b1", "a3", "b2", "b3"] },
  { what: "two events of a commit swapped", spoil: swap(5, 6), named: ["uncovered 6"], counts: ["a2", "a1", "b1", "a3", "b2", "b3"] },
  { what: "events of two authors swapped", spoil: swap(6, 8), named: ["uncovered 6", "quarantined 7", "uncovered 8", "quarantined 9"], counts: ["a1", "a3", "b2", "b3"] },
  { what: "an event put in twice", spoil: (m) => between(5, at(m, 5))(m), named: ["uncovered 5.1"], counts: whole },
  { what: "an event overwritten by a copy of its neighbour", spoil: (m) => changed(m, 6, () => at(m, 5)).map((message, i) => ({ ...message, seq: i + 1 })), named: ["uncovered 6", "quarantined 7"], counts: ["a1", "b1", "a3", "b2", "b3"] },
  { what: "an event moved to another conversation", spoil: (m, { log }) => changed(m, 6, () => ({ subject: subjects.logConversation(log.tenant, "c9") })), named: ["malformed 6"], counts: ["a1", "b1", "a3", "b2", "b3"] },
  { what: "an event moved behind its record", spoil: swap(6, 7), named: ["quarantined 6", "uncovered 7"], counts: ["a1", "b1", "a3", "b2", "b3"] },
  { what: "one byte of a record changed", spoil: (m) => changed(m, 7, ({ data }) => ({ data: flipped(data, data.length - 20) })), named: ["quarantined 7", "gap 11"], counts: ["b1", "a3", "b2", "b3"] },
  { what: "a record cut short", spoil: (m) => changed(m, 7, ({ data }) => ({ data: data.subarray(0, 40) })), named: ["quarantined 7", "gap 11"], counts: ["b1", "a3", "b2", "b3"] },
  { what: "a record emptied", spoil: (m) => changed(m, 7, () => ({ data: new Uint8Array() })), named: ["quarantined 7", "gap 11"], counts: ["b1", "a3", "b2", "b3"] },
  { what: "a record removed", spoil: without(7), named: ["uncovered 5", "uncovered 6", "gap 11"], counts: ["b1", "a3", "b2", "b3"] },
  { what: "a whole commit removed", spoil: without(5, 6, 7), named: ["gap 11"], counts: ["b1", "a3", "b2", "b3"] },
  { what: "a registration removed", spoil: without(3), named: ["quarantined 4", "quarantined 9", "quarantined 14"], counts: ["a1", "a2", "a3"] },
  { what: "the end cut off", spoil: without(14), named: [], counts: ["a1", "a2", "b1", "a3"], waiting: 2 },
  { what: "a record put in again", spoil: (m) => between(14, at(m, 7))(m), named: ["quarantined 14.1"], counts: whole },
  { what: "a whole commit put in again", spoil: (m) => between(14, at(m, 5), at(m, 6), at(m, 7))(m), named: ["quarantined 14.3"], counts: whole },
  { what: "the last commit put in again", spoil: (m) => between(14, at(m, 12), at(m, 13), at(m, 14))(m), named: ["quarantined 14.3"], counts: whole },
  { what: "an author's two records swapped", spoil: swap(7, 11), named: ["gap 7", "uncovered 5", "uncovered 6", "quarantined 7", "quarantined 11"], counts: ["b1", "b2", "b3"] },
  { what: "a record moved to another author", spoil: (m, { bob, log }) => changed(m, 7, () => ({ subject: subjects.logCommit(log.tenant, bob.id) })), named: ["quarantined 7", "gap 11"], counts: ["b1", "a3", "b2", "b3"] },
  { what: "foreign bytes put between", spoil: (m, { log }) => between(5, { subject: subjects.logConversation(log.tenant, "c1"), data: Buffer.from("junk") })(m), named: ["uncovered 5.1"], counts: whole },
  { what: "a foreign subject put between", spoil: (m) => between(5, { subject: "elsewhere", data: Buffer.from("junk") })(m), named: ["uncovered 5.1"], counts: whole }
]

/** What authors and forgers themselves put at the end of an honest log. */
const authorRows: ReadonlyArray<Row> = [
  {
    what: "a commit in ada's name by a key nobody pinned",
    spoil: (m, { ada, keys, log }) => {
      log.commit({ ...ada, pair: keys.mallory }, [log.said(ada, "c1", "forged")])
      return log.messages
    },
    named: ["quarantined 16"],
    counts: whole
  },
  {
    what: "a commit that names ada's key, signed by another",
    spoil: (m, { ada, keys, log }) => {
      log.commit({ ...ada, pair: keys.mallory }, [log.said(ada, "c1", "forged")], { key_id: keyId(ada.pair.publicPem) })
      return log.messages
    },
    named: ["quarantined 16"],
    counts: whole
  },
  {
    what: "ada writing in bob's name",
    spoil: (m, { ada, bob, log }) => {
      log.commit(ada, [log.said(bob, "c1", "forged"), log.said(ada, "c1", "a4")])
      return log.messages
    },
    named: ["malformed 15"],
    counts: [...whole, "a4"]
  },
  {
    what: "ada writing where the event does not belong",
    spoil: (m, { ada, log }) => {
      const stray = log.event(ada, { type: "message.deleted", data: { message_id: "m" } }, "c1", { on: subjects.logConversation(log.tenant, "c2") })
      log.commit(ada, [stray, log.said(ada, "c1", "a4")])
      return log.messages
    },
    named: ["malformed 15"],
    counts: [...whole, "a4"]
  },
  {
    what: "a commit of a journal that ended, again",
    spoil: (m, { ada, log }) => {
      const reopened = { ...ada, journal: "j-ada-2", to: 0 }
      log.commit(reopened, [log.said(ada, "c1", "a4")])
      log.put(at(m, 10), at(m, 11))
      return log.messages
    },
    named: ["quarantined 18"],
    counts: [...whole, "a4"]
  },
  {
    what: "hosted registering ada with another key",
    spoil: (m, { ada, keys, log }) => {
      log.commit(log.hosted, [log.registration(ada, keys.mallory)])
      log.commit({ ...ada, pair: keys.mallory }, [log.said(ada, "c1", "forged")])
      log.commit(ada, [log.said(ada, "c1", "a4")])
      return log.messages
    },
    named: ["malformed 15", "quarantined 18"],
    counts: [...whole, "a4"]
  },
  {
    what: "hosted registering ada's key without her proof",
    spoil: (m, { bob, keys, log }) => {
      const cat = { ...bob, id: "peer_0000000000000000", backendId: `local_sha256_${"0".repeat(64)}` }
      log.commit(log.hosted, [log.registration(cat, keys.next)])
      return log.messages
    },
    named: ["malformed 15"],
    counts: whole
  },
  {
    what: "a key handed over by nobody who had it",
    spoil: async (m, { ada, bob, keys, log }) => {
      const rotation = { peer_id: ada.id, public_key: keys.next.publicPem, old_key_id: keyId(keys.ada.publicPem), grace_ends_at: "2026-11-29T10:00:00.000Z" }
      const signature = await Effect.runPromise(signRotation(keys.mallory.privateKey, rotation))
      log.commit(ada, [log.event(ada, { type: "key.rotated", data: { ...rotation, signature } }, ada.id)])
      log.commit({ ...ada, pair: keys.next }, [log.said(ada, "c1", "forged")])
      log.commit(bob, [log.said(bob, "c1", "b4")])
      return log.messages
    },
    named: ["malformed 15", "quarantined 18"],
    counts: [...whole, "b4"]
  },
  {
    what: "an event sealed under a key this reader lacks",
    spoil: (m, { ada, log }) => {
      log.commit(ada, [log.event(ada, { type: "message.deleted", data: { message_id: "m" } }, "c1", { key: newDataKey("t_aaaaaaaaaaaaaaaa.1") }), log.said(ada, "c1", "a4")])
      return log.messages
    },
    named: [],
    counts: [...whole, "a4"]
  }
]

describe("reading a log, with", () => {
  it("a commit that overlaps the one before and goes beyond it, both count, and the fork is named", async () => {
    const { ada, log } = await honest()
    const before = { ...ada }
    log.commit(ada, [log.said(ada, "c1", "a4")])
    log.commit(before, [log.said(ada, "c1", "a5"), log.said(ada, "c1", "a6")])
    log.commit(before, [log.said(ada, "c1", "a7")])
    assert.deepStrictEqual(log.read().named, ["gap 19"])
    assert.deepStrictEqual(log.read().contents, [...whole, "a4", "a5", "a6", "a7"])
  })

  it("a registration written again behind what its author wrote, all of it counts when it is read once more", async () => {
    const { ada, log } = await honest()
    const lost = [...without(1, 2)([...log.messages])]
    const stranger = log.newReader()
    assert.deepStrictEqual(log.read(lost, stranger).contents, ["b1", "b2", "b3"])
    assert.isFalse(stranger.isLate)
    log.commit(log.hosted, [log.registration(ada, ada.pair)])
    const again = without(1, 2)([...log.messages])
    const late = log.newReader()
    assert.deepStrictEqual(log.read(again, late).contents, ["b1", "b2", "b3"])
    assert.isTrue(late.isLate)
    const second = new LogReader(late.keys)
    assert.deepStrictEqual(log.read(again, second).contents, whole)
    assert.isFalse(second.isLate)
  })

  it.each([...storeRows, ...authorRows])("$what", async ({ counts, named, spoil, waiting = 0 }) => {
    const history = await honest()
    const read = history.log.read(await spoil([...history.log.messages], history))
    assert.deepStrictEqual(read.named, named)
    assert.deepStrictEqual(read.contents, counts)
    assert.strictEqual(read.waiting.length, waiting)
    for (const { detail, tenant } of read.problems) {
      assert.isNotEmpty(detail)
      assert.include([history.log.tenant, ""], tenant)
    }
  })

  it("a key handed over, both keys hold until the old one's grace ends, the new one from then on", async () => {
    const { ada, keys, log } = await honest()
    const rotation = { peer_id: ada.id, public_key: keys.next.publicPem, old_key_id: keyId(keys.ada.publicPem), grace_ends_at: "2026-11-29T10:00:00.000Z" }
    const signature = await Effect.runPromise(signRotation(keys.ada.privateKey, rotation))
    log.commit(ada, [log.event(ada, { type: "key.rotated", data: { ...rotation, signature } }, ada.id)])
    log.commit(ada, [log.said(ada, "c1", "old in grace")])
    ada.pair = keys.next
    log.commit(ada, [log.said(ada, "c1", "new")])
    log.commit(ada, [log.said(ada, "c1", "new, later")], { time: "2026-12-24T10:00:00.000Z" })
    assert.deepStrictEqual(log.read().named, [])
    assert.deepStrictEqual(log.read().contents, [...whole, "old in grace", "new", "new, later"])
    log.commit({ ...ada, pair: keys.ada }, [log.said(ada, "c1", "too late")], { time: "2026-12-24T10:00:00.000Z" })
    assert.deepStrictEqual(log.read().named, ["quarantined 24"])
  })

  it("several people's events, what lies in one's part is never told to another", async () => {
    const { ada, log } = await honest()
    const other = new LogHistory((await keys)["hosted"]!)
    const stray = other.said(ada, "private", "x")
    log.put(stray)
    log.commit(ada, [log.said(ada, "c1", "a4")])
    const { problems } = log.read()
    assert.deepStrictEqual(problems.map(({ seq, tenant, what }) => [seq, tenant, what]), [[15, other.tenant, "uncovered"]])
  })
})

describe("an announced purge", () => {
  const expire = (log: LogHistory, conversation: string, purged?: ReadonlyArray<readonly [number, null]>) =>
    log.commit(log.hosted, [log.event(log.hosted, { type: "conversation.expired", data: { before_seq: log.messages.length + 1, ...(purged === undefined ? {} : { purged }) } }, conversation)])

  it("is no damage, wherever in the log it was announced; one place more is", async () => {
    const { log } = await honest()
    expire(log, "c1", [[5, null], [6, null], [8, null], [13, null]])
    const left = log.messages.filter(({ seq }) => ![5, 6, 8, 13].includes(seq))
    assert.deepStrictEqual([log.read(left).named, log.read(left).contents], [[], ["a3", "b2"]])
    assert.deepStrictEqual(log.read(left.filter(({ seq }) => seq !== 10)).named, ["quarantined 11"])
  })

  it("that was never announced, or by somebody else, is one", async () => {
    const { ada, log } = await honest()
    assert.deepStrictEqual(log.read(log.messages.filter(({ seq }) => seq !== 8)).named, ["quarantined 9"])
    log.commit(ada, [log.event(ada, { type: "conversation.expired", data: { before_seq: 15, purged: [[8, null]] } }, "c1")])
    assert.include(log.read(log.messages.filter(({ seq }) => seq !== 8)).named, "quarantined 9")
  })

  it("of everything leaves a log that begins with the word of it", async () => {
    const { log } = await honest()
    log.commit(log.hosted, [log.event(log.hosted, { type: "tenant.erased", data: { erased_at: "2026-11-22T10:00:00.000Z", before_seq: 15 } }, log.tenant)])
    assert.deepStrictEqual(log.read(log.messages.slice(-2)).named, [])
    assert.deepStrictEqual(log.read().named, [])
  })
})

describe("an audit", () => {
  it("lists what this program is too old for, and calls only what is spoiled damage", async () => {
    const { ada, log } = await honest()
    const said = log.said(ada, "c3", "from the future")
    const newer = { ...(JSON.parse(Buffer.from(said.data).toString()) as Readonly<Record<string, unknown>>), dataschema: "maestra:message.appended:2" }
    log.commit(ada, [{ ...said, data: Buffer.from(JSON.stringify(newer)) }])
    const audited = (messages: ReadonlyArray<LogMessage>) => {
      const audit = new LogAudit(log.newReader().keys, { open: (_, envelope) => openEnvelope(envelope, () => log.key), isOwn: () => false })
      audit.read(messages)
      const { ok, problems } = audit.result()
      return { ok, named: problems.map(({ what }) => what).sort() }
    }
    assert.deepStrictEqual(audited(log.messages), { ok: true, named: ["parked"] })
    assert.deepStrictEqual(audited(changed(log.messages, 5, ({ data }) => ({ data: flipped(data, 40) }))), { ok: false, named: ["parked", "quarantined", "uncovered"] })
  })
})
