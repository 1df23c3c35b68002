// Goal: every commit gets the verdict that is due to it, in the order `admit` says, and only good ones reach the log.
// Method: one row per verdict (a missing one does not compile) through ingest over a log in memory; real keys and commits.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import type { CommitFields } from "../../src/security/commit.ts"
import { digestOf } from "../../src/security/digest.ts"
import { keyId } from "../../src/security/keys.ts"
import { parseCommit } from "../../src/security/commit.ts"
import { newDataKey } from "../../src/security/sealing.ts"
import { admit, follow, type Head } from "../../src/security/admit.ts"
import type { IngestFacts } from "../../src/hosted/ingest.ts"
import { LogFull } from "../../src/nats/EventLog.ts"
import type { MemoryLogOptions } from "../../src/nats/memoryLog.ts"
import { encode, plain } from "../../streams/Envelope.ts"
import { defaults } from "../../streams/events/settings.ts"
import { lamportJumpMax } from "../../streams/limits.ts"
import { subjects } from "../../streams/subjects.ts"
import type { VerdictName } from "../../streams/Verdict.ts"
import { deviceOf, factsOf, framed, makeIngest, makeTenant, now } from "../support/ingestRig.ts"
import { type Author, type LogHistory, time, type Written } from "../support/logHistory.ts"

type Tenant = Awaited<ReturnType<typeof makeTenant>>

/** How to get a verdict: what hosted knows, what the store does, what is sent before. */
interface Row {
  readonly facts?: (tenant: Tenant) => Partial<IngestFacts>
  readonly store?: MemoryLogOptions
  readonly record?: (tenant: Tenant) => Partial<CommitFields>
  readonly more?: Readonly<Record<string, unknown>>
}

const rows: Readonly<Record<VerdictName, Row>> = {
  committed: { more: { log_seq: 2 } },
  unknown_peer: { facts: () => ({ device: undefined }) },
  revoked: { facts: () => ({ device: undefined, revoked: true }) },
  expired: { facts: ({ ada }) => ({ device: { ...deviceOf(ada), expiresAt: now } }) },
  bad_signature: { facts: ({ ada, mallory }) => ({ device: { ...deviceOf(ada), keys: [{ keyId: keyId(mallory.publicPem), publicKey: mallory.publicPem }] } }) },
  invalid: { record: () => ({ hashes: [digestOf("another event")] }), more: { event_id: "" } },
  withheld: { facts: () => ({ settings: { ...defaults, sync_conversations: false }, settingsSeq: 7 }), more: { settings_seq: 7 } },
  rate_limited: { facts: () => ({ draw: () => Effect.succeed({ granted: false, limit: 100, remaining: 0, retryAfterMillis: 1234 }) }), more: { retry_after_ms: 1234 } },
  chain_mismatch: { record: () => ({ prev: digestOf("a record nobody knows") }), more: { head: null } },
  busy: { store: { faults: { before: Effect.fail(new LogFull({ stream: "LOG", hint: "" })) } } }
}

/** The order in which things are looked at. What is wrong further down does not show. */
const order: ReadonlyArray<VerdictName> = ["revoked", "unknown_peer", "expired", "bad_signature", "invalid", "withheld", "rate_limited", "chain_mismatch", "busy", "committed"]

const ask = (rowsUsed: ReadonlyArray<Row>) =>
  Effect.gen(function*() {
    const tenant = yield* Effect.promise(makeTenant)
    const { ada, log } = tenant
    const facts = Object.assign({}, ...rowsUsed.map((row) => row.facts?.(tenant))) as Partial<IngestFacts>
    const otherwise = Object.assign({}, ...rowsUsed.map((row) => row.record?.(tenant))) as Partial<CommitFields>
    const store = Object.assign({}, ...rowsUsed.map((row) => row.store)) as MemoryLogOptions
    const { ask, log: stored } = yield* makeIngest({ ...store, facts: () => factsOf(log, ada, facts) })
    const events = [log.said(ada, "c1", "hello")]
    const answer = yield* ask(log.tenant, ada.id, framed(log.record(ada, events, otherwise), events))
    return { answer, held: (yield* stored.info).messages }
  }).pipe(Effect.scoped)

describe("ingest", () => {
  it.effect.each(Object.entries(rows))("says %s", ([verdict, row]) =>
    Effect.gen(function*() {
      const { answer, held } = yield* ask([row])
      assert.strictEqual(answer.verdict, verdict)
      for (const [field, value] of Object.entries(row.more ?? {})) assert.deepStrictEqual(Reflect.get(answer, field), value, field)
      assert.strictEqual(held, verdict === "committed" ? 2 : 0, "only what is committed is in the log")
    }))

  it.effect.each(order.slice(0, -1).map((verdict, i) => [verdict, order.slice(i + 1)] as const))("says %s before anything that comes after it", ([verdict, after]) =>
    Effect.gen(function*() {
      // a revoked peer is no device any more, so the two rows share their facts
      const { answer } = yield* ask([...after, verdict].map((name) => rows[name]))
      assert.strictEqual(answer.verdict, verdict)
    }))

  it.effect("does not know a tenant it has no facts of, and answers bytes that are no commit", () =>
    Effect.gen(function*() {
      const { ada, log } = yield* Effect.promise(makeTenant)
      const { ask } = yield* makeIngest({ facts: (tenant) => tenant === log.tenant ? factsOf(log, ada) : undefined })
      assert.strictEqual((yield* ask("t_zzzzzzzzzzzzzzzz", ada.id, Buffer.from("x"))).verdict, "unknown_peer")
      for (const bytes of ["", "\u0001", "\u0001x", "\u00ff\u00ff\u00ff\u00ff\u0001", "{}"]) {
        assert.strictEqual((yield* ask(log.tenant, ada.id, Buffer.from(bytes, "latin1"))).verdict, "invalid", JSON.stringify(bytes))
      }
    }).pipe(Effect.scoped))

  it.effect("commits once, whatever is repeated: the same bytes, or the same events sealed and signed again", () =>
    Effect.gen(function*() {
      const { ada, log } = yield* Effect.promise(makeTenant)
      const { ask, heads, log: stored } = yield* makeIngest({ facts: () => factsOf(log, ada) })
      const before = { ...ada }
      const events = [log.said(ada, "c1", "hello")]
      const first = framed(log.record(ada, events), events)
      assert.deepStrictEqual(yield* ask(log.tenant, ada.id, first), { verdict: "committed", log_seq: 2 })
      const again = framed(log.record({ ...before, pair: ada.pair }, events, { sync_id: "again" }), events)
      for (const bytes of [first, again]) {
        assert.deepStrictEqual(yield* ask(log.tenant, ada.id, bytes), { verdict: "committed", log_seq: 2 })
        heads.forget()
        assert.deepStrictEqual(yield* ask(log.tenant, ada.id, bytes), { verdict: "committed", log_seq: 2 })
      }
      const next = [log.said(ada, "c1", "more")]
      const second = framed(log.record(ada, next), next)
      const both = yield* Effect.all([ask(log.tenant, ada.id, second), ask(log.tenant, ada.id, second)], { concurrency: 2 })
      assert.deepStrictEqual(both, [{ verdict: "committed", log_seq: 4 }, { verdict: "committed", log_seq: 4 }])
      // the one before the last is history: the peer is shown where it stands
      assert.strictEqual((yield* ask(log.tenant, ada.id, first)).verdict, "chain_mismatch")
      assert.strictEqual((yield* stored.info).messages, 4)
    }).pipe(Effect.scoped))

  it.effect("shows the head of a chain as it is stored", () =>
    Effect.gen(function*() {
      const { ada, log } = yield* Effect.promise(makeTenant)
      const { ask } = yield* makeIngest({ facts: () => factsOf(log, ada) })
      const events = [log.said(ada, "c1", "hello")]
      const record = log.record(ada, events)
      yield* ask(log.tenant, ada.id, framed(record, events))
      const stray = [log.said(ada, "c1", "stray")]
      const answer = yield* ask(log.tenant, ada.id, framed(log.record({ ...ada, prev: "" }, stray), stray))
      assert.deepStrictEqual(answer, { verdict: "chain_mismatch", head: Buffer.from(record.data).toString() })
    }).pipe(Effect.scoped))
})

interface Refused {
  readonly what: string
  readonly events: (log: LogHistory, ada: Author, tenant: Tenant) => ReadonlyArray<Written>
  readonly record?: (ada: Author) => Partial<CommitFields>
  readonly why: RegExp
  /** The event named as the one at fault; none where it is the commit. */
  readonly blamed?: number
}

const said = { type: "message.appended", data: { message_id: "m", role: "user", content: "x", timestamp: time } } as const
/** An event with any envelope, sealed or not. */
const odd = (log: LogHistory, ada: Author, change: Readonly<Record<string, unknown>>): Written => {
  const written = log.event(ada, said, "c1")
  const envelope = { ...(JSON.parse(Buffer.from(written.data).toString()) as Readonly<Record<string, unknown>>), ...change }
  return { ...written, data: Buffer.from(JSON.stringify(envelope)) }
}

const refused: ReadonlyArray<Refused> = [
  { what: "fewer events than hashes", events: (log, ada) => [log.said(ada, "c1", "a")], record: () => ({ hashes: [digestOf("a"), digestOf("b")] }), why: /not the ones/ },
  { what: "a range that ends before it begins", events: () => [], record: () => ({ from: 5, to: 4 }), why: /range/ },
  { what: "more events than the range has room for", events: (log, ada) => [log.said(ada, "c1", "a"), log.said(ada, "c1", "b")], record: (ada) => ({ to: ada.to + 1 }), why: /range/ },
  { what: "another backend's event", events: (log, ada, { bob }) => [log.said(ada, "c1", "a"), log.said(bob, "c1", "forged")], why: /source/, blamed: 1 },
  { what: "a registration, which is hosted's to write", events: (log, ada) => [odd(log, ada, { type: "peer.registered", dataschema: "maestra:peer.registered:1", subject: ada.id })], why: /may not write peer.registered/, blamed: 0 },
  { what: "an erasure", events: (log, ada) => [log.event(ada, { type: "tenant.erased", data: { erased_at: time, before_seq: 1 } }, "settings")], why: /may not write tenant.erased/, blamed: 0 },
  { what: "an expiry", events: (log, ada) => [log.event(ada, { type: "conversation.expired", data: { before_seq: 9 } }, "c1")], why: /may not write conversation.expired/, blamed: 0 },
  { what: "a type nobody knows", events: (log, ada) => [odd(log, ada, { type: "message.sung", dataschema: "maestra:message.sung:1" })], why: /may not write message.sung/, blamed: 0 },
  { what: "a subject that is no token", events: (log, ada) => [odd(log, ada, { subject: "c1.>" })], why: /token/, blamed: 0 },
  { what: "unsealed data", events: (log, ada) => {
    const id = "01930000-0000-7000-8000-000000000000"
    return [{ id, subject: "", data: encode(plain(said, { id, source: ada.backendId, time, subject: "c1", lamport: 9, surface: "cli" })) }]
  }, why: /not sealed/, blamed: 0 },
  { what: "data sealed under a key that is not the tenant's", events: (log, ada) => [log.event(ada, said, "c1", { key: newDataKey("t_aaaaaaaaaaaaaaaa.1") })], why: /KeyMissing/, blamed: 0 },
  { what: "data that was altered after sealing", events: (log, ada) => {
    const one = log.said(ada, "c1", "a")
    return [odd(log, ada, { data: (JSON.parse(Buffer.from(one.data).toString()) as { data: string }).data.replace(/.$/, (last) => last === "A" ? "B" : "A") })]
  }, why: /./, blamed: 0 },
  { what: "data of another type than it says", events: (log, ada) => [odd(log, ada, { dataschema: "maestra:message.deleted:1" })], why: /dataschema/, blamed: 0 },
  { what: "lamports that do not rise", events: (log, ada) => [odd(log, ada, { lamport: 9 }), odd(log, ada, { lamport: 9 })], why: /do not rise/, blamed: 1 },
  { what: "a lamport of 2^53", events: (log, ada) => [odd(log, ada, { lamport: 2 ** 53 })], why: /event 1/, blamed: 0 },
  { what: "a lamport far above everything seen", events: (log, ada) => [odd(log, ada, { lamport: 101 + lamportJumpMax })], why: /jumps ahead/, blamed: 0 },
  { what: "an event that is not JSON", events: (log, ada) => [{ ...log.said(ada, "c1", "a"), data: Buffer.from("{") }], why: /event 1/ },
  { what: "a message longer than a message may be", events: (log, ada) => [log.event(ada, { ...said, data: { ...said.data, content: "x".repeat(2_000_000) } }, "c1")], why: /./, blamed: 0 }
]

const judge = (log: LogHistory, ada: Author, events: ReadonlyArray<Written>, otherwise: Partial<CommitFields>, facts: Partial<IngestFacts> = {}) => {
  const record = log.record({ ...ada }, events, otherwise)
  return admit(Result.getOrThrow(parseCommit(record.data)), events.map(({ data }) => data), factsOf(log, ada, facts))
}

describe("admit", () => {
  it.each(refused)("refuses $what", async ({ blamed, events, record, why }) => {
    const tenant = await makeTenant()
    const { ada, log } = tenant
    const written = events(log, ada, tenant)
    const before = ada.to
    const verdict = judge(log, { ...ada, to: before }, written, record?.(ada) ?? {})
    assert.isTrue(Result.isFailure(verdict))
    if (Result.isSuccess(verdict) || verdict.failure.verdict !== "invalid") return assert.fail(JSON.stringify(verdict))
    assert.match(verdict.failure.why, why)
    assert.strictEqual(verdict.failure.event_id, blamed === undefined ? "" : written[blamed]!.id)
  })

  it("takes a version from the future as it is, for those who can read it", async () => {
    const { ada, log } = await makeTenant()
    const events = [odd(log, ada, { dataschema: "maestra:message.appended:7" })]
    const admitted = Result.getOrThrow(judge(log, ada, events, {}))
    assert.deepStrictEqual(admitted.events.map(({ opened, subject }) => [subject, opened]), [[subjects.logConversation(log.tenant, "c1"), undefined]])
  })

  it("takes a commit whose events were all withheld", async () => {
    const { ada, log } = await makeTenant()
    assert.deepStrictEqual(Result.getOrThrow(judge(log, ada, [], { to: ada.to + 3 })).events, [])
  })

  it("draws once, and only for what passes: for the bytes of all events where they are more than one, which is a backlog", async () => {
    const { ada, log } = await makeTenant()
    const drawn: Array<readonly [string, number]> = []
    const draw: IngestFacts["draw"] = (kind, amount) => {
      drawn.push([kind, amount])
      return Effect.succeed({ granted: false, limit: 1, remaining: 0, retryAfterMillis: 1 })
    }
    const two = [log.said(ada, "c1", "a"), log.said(ada, "c1", "b")]
    const ask = (events: ReadonlyArray<Written>, otherwise: Partial<CommitFields> = {}) =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const rig = yield* makeIngest({ facts: () => factsOf(log, ada, { draw }) })
        return yield* rig.ask(log.tenant, ada.id, framed(log.record({ ...ada }, events, otherwise), events))
      })))
    await ask(two)
    await ask(two.slice(0, 1))
    await ask(two.slice(0, 1), { hashes: [digestOf("another event")] })
    assert.deepStrictEqual(drawn, [["bytes", two[0]!.data.length + two[1]!.data.length], ["syncs", 1]])
  })

  it("takes a key in its grace, and not after it", async () => {
    const { ada, log } = await makeTenant()
    const old = deviceOf(ada).keys[0]!
    for (const [until, verdict] of [["2026-11-22T12:00:00.001Z", undefined], [now, "bad_signature"]] as const) {
      const judged = judge(log, ada, [log.said(ada, "c1", "a")], {}, { device: { ...deviceOf(ada), keys: [{ ...old, until }] } })
      assert.strictEqual(Result.isFailure(judged) ? judged.failure.verdict : undefined, verdict)
    }
  })

  it("does not take another author's record, though its signature holds", async () => {
    const { ada, bob, log } = await makeTenant()
    const judged = judge(log, { ...ada, id: bob.id }, [log.said(ada, "c1", "a")], { author: ada.id })
    assert.strictEqual(Result.isFailure(judged) ? judged.failure.verdict : undefined, "bad_signature")
  })

  it.each([
    ["sync is off", { sync_enabled: false }],
    ["conversations stay here", { sync_conversations: false }],
    ["the surface is not allowed", { allowed_surfaces: ["web"] }]
  ] as const)("withholds what people wrote when %s, and lets settings pass", async (_, change) => {
    const { ada, log } = await makeTenant()
    const settings = { ...defaults, ...change }
    const verdict = judge(log, ada, [log.said(ada, "c1", "a")], {}, { settings })
    assert.strictEqual(Result.isFailure(verdict) ? verdict.failure.verdict : undefined, "withheld")
    const turned = log.event(ada, { type: "settings.changed", data: { sync_enabled: true } }, "settings")
    assert.isTrue(Result.isSuccess(judge(log, ada, [turned], {}, { settings })))
  })

  it("lets an author that had read the settings send all the same: newer ones of its own wait behind it", async () => {
    const { ada, log } = await makeTenant()
    const settings = { ...defaults, sync_conversations: false }
    for (const [log_seq, passes] of [[6, false], [7, true], [8, true]] as const) {
      const verdict = judge(log, ada, [log.said(ada, "c1", `${log_seq}`)], { seen: { log_seq, head: "" } }, { settings, settingsSeq: 7 })
      assert.strictEqual(Result.isSuccess(verdict), passes, `${log_seq}`)
    }
  })
})

describe("follow", () => {
  const head: Head = { digest: digestOf("head"), journal: "j", from: 3, to: 5, ids: digestOf("ids"), seq: 9, bytes: new Uint8Array() }
  const record = { author: "peer_0000000000000000", key_id: digestOf("k"), sync_id: "s", hashes: [], seen: { log_seq: 0, head: "" }, time, signature: "x", journal: "j", from: 6, to: 6, ids: digestOf("new"), prev: head.digest }
  it.each([
    ["the first of all", { prev: "", from: 1, to: 1 }, undefined, "append"],
    ["a first one that does not begin at 1", { prev: "", from: 2, to: 2 }, undefined, "mismatch"],
    ["a first one that names another before it", { from: 1, to: 1 }, undefined, "mismatch"],
    ["the next", {}, head, "append"],
    ["the next after a hole", { from: 7, to: 7 }, head, "mismatch"],
    ["one that overlaps", { from: 5, to: 6 }, head, "mismatch"],
    ["the next on top of another", { prev: digestOf("else") }, head, "mismatch"],
    ["the same again", { from: 3, to: 5, ids: head.ids, prev: digestOf("before") }, head, "repeated"],
    ["the same range with other events", { from: 3, to: 5, prev: digestOf("before") }, head, "mismatch"],
    ["a shorter range of the same", { from: 3, to: 4, ids: head.ids, prev: digestOf("before") }, head, "mismatch"],
    ["a new journal from its beginning", { journal: "j2", from: 1, to: 4 }, head, "append"],
    ["a new journal from its middle", { journal: "j2", from: 6, to: 6 }, head, "mismatch"],
    ["a new journal on top of nothing", { journal: "j2", from: 1, to: 1, prev: "" }, head, "mismatch"]
  ] as const)("%s", (_, change, held, decision) => {
    const decided = follow({ ...record, ...change }, held)
    assert.strictEqual(decided._tag, decision)
    if (decided._tag === "repeated") assert.strictEqual(decided.log_seq, head.seq)
  })
})
