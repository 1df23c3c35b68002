// Goal: settings, peers and sync state say what they are to say, in any order of arrival.
// Method: examples for the rules; every order of a handful of events for independence; the tables beside the folds.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { generateKeyPairSync } from "node:crypto"
import type { Entry } from "../../../projections/Entry.ts"
import { keyIdOf } from "../../../projections/peers/keyId.ts"
import { listPeers, peerById } from "../../../projections/peers/queries.ts"
import { Projections } from "../../../projections/runner.ts"
import * as fold from "../../../projections/settings/apply.ts"
import { settingsOf } from "../../../projections/settings/queries.ts"
import * as syncState from "../../../projections/syncState/queries.ts"
import { allAuthors, allHeads } from "../../../projections/syncState/places.ts"
import { unplacedTold } from "../../../projections/toldOnce.ts"
import type { Fact, FactOf } from "../../../streams/catalog.ts"
import type { Opened } from "../../../streams/Envelope.ts"
import { defaults, type Settings } from "../../../streams/events/settings.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import { database, event, fromJournal, fromLog, random, sourceOf, tenant } from "./rig.ts"

const permutations = <A>(of: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  of.length < 2 ? [of] : of.flatMap((first, i) => permutations([...of.slice(0, i), ...of.slice(i + 1)]).map((rest) => [first, ...rest]))

describe("settings", () => {
  interface Change {
    readonly data: FactOf<"settings.changed">["data"]
    readonly stamp: Stamp
  }
  const change = (who: number, lamport: number, data: Partial<Settings>, base?: Change): Change => ({
    data: { ...data, ...(base === undefined ? {} : { base: base.stamp }) },
    stamp: { lamport, time: "2026-11-22T10:00:00.000Z", source: sourceOf(who) }
  })
  const after = (...changes: ReadonlyArray<Change>): Settings => {
    const all = permutations(changes).map((order) => fold.effective([...order, ...order].reduce(fold.apply, fold.empty)))
    for (const settings of all) assert.deepStrictEqual(settings, all[0])
    return all[0]!
  }

  it("are the defaults until somebody changes them, field by field", () => {
    assert.deepStrictEqual(after(), defaults)
    assert.deepStrictEqual(after(change(1, 1, { retention_days: 7 })), { ...defaults, retention_days: 7 })
    assert.deepStrictEqual(after(change(1, 1, { retention_days: 7 }), change(2, 2, { sync_enabled: false })), { ...defaults, retention_days: 7, sync_enabled: false })
  })

  it("follow the later of two changes when its author had seen the earlier, or was the same", () => {
    const off = change(1, 1, { redact_pii: true, sync_telemetry: false })
    assert.deepStrictEqual(after(off, change(2, 2, { redact_pii: false, sync_telemetry: true }, off)), { ...defaults, redact_pii: false })
    assert.deepStrictEqual(after(off, change(1, 2, { redact_pii: false, sync_telemetry: true })), { ...defaults, redact_pii: false })
  })

  it("are the stricter of concurrent changes, in each field's own sense", () => {
    const loose: Settings = { ...defaults, redact_pii: false, allowed_surfaces: ["cli", "web"], default_region: null }
    const strict: Settings = { sync_enabled: false, sync_conversations: false, sync_telemetry: false, redact_pii: true, retention_days: 1, allowed_surfaces: ["ios", "web"], default_region: "DE", keep_own_copies: false }
    for (const [first, second] of [[loose, strict], [strict, loose]] as const) {
      assert.deepStrictEqual(after(change(1, 1, first), change(2, 2, second)), { ...strict, allowed_surfaces: ["web"] })
    }
    assert.deepStrictEqual(after(change(1, 1, { allowed_surfaces: null }), change(2, 1, { allowed_surfaces: ["web"] })).allowed_surfaces, ["web"])
  })

  it("end a disagreement with a change that saw both", () => {
    const one = change(1, 1, { sync_enabled: false }), two = change(2, 2, { sync_enabled: true })
    assert.isFalse(after(one, two).sync_enabled)
    assert.isTrue(after(one, two, change(1, 3, { sync_enabled: true }, two)).sync_enabled)
    const blind = change(3, 4, { sync_enabled: true })
    assert.isFalse(after(one, two, blind).sync_enabled)
  })

  it.effect("are in the tables, with the place where they last changed", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      assert.deepStrictEqual(yield* settingsOf(tenant), { settings: defaults, seq: 0 })
      const changed = (id: number, data: Partial<Settings>): Opened =>
        event({ type: "settings.changed", data }, { id, source: sourceOf(id), lamport: id, subject: "settings" })
      const mine = changed(1, { retention_days: 30 })
      yield* projections.absorb({ cursor: "journal", epoch: "1", entries: [fromJournal(1, mine)] })
      assert.deepStrictEqual(yield* settingsOf(tenant), { settings: { ...defaults, retention_days: 30 }, seq: 0 })
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: [fromLog(4, changed(2, { retention_days: 40 })), { kind: "echo", seq: 5, tenant, eventId: mine.envelope.id }] })
      assert.deepStrictEqual(yield* settingsOf(tenant), { settings: { ...defaults, retention_days: 30 }, seq: 5 })
    }).pipe(Effect.provide(database())))
})

describe("peers", () => {
  const pem = () => generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString()
  const keys = [pem(), pem(), pem()] as const
  const peer_id = "peer_00112233445566aa"
  const registered = (public_key: string, expires_at: string) => ({
    peer_id,
    identity: { backend_id: sourceOf(1), backend_type: "local" as const, public_key, wrap_key: "wrap", capabilities: ["sync"], version: "1.0" as const, created_at: "2026-11-22T10:00:00.000Z" },
    challenge: "challenge",
    proof: "proof",
    expires_at
  })
  const rotated = (from: string, to: string): Fact => ({
    type: "key.rotated",
    data: { peer_id, public_key: to, old_key_id: keyIdOf(from), grace_ends_at: "2026-11-29T10:00:00.000Z", signature: "s" }
  })
  const facts: ReadonlyArray<Fact> = [
    { type: "peer.registered", data: registered(keys[0], "2026-11-22T18:00:00.000Z") },
    { type: "peer.renewed", data: registered(keys[0], "2026-11-23T18:00:00.000Z") },
    { type: "peer.confirmed", data: { peer_id, key_id: keyIdOf(keys[0]) } },
    rotated(keys[0], keys[1]),
    rotated(keys[0], keys[2]),
    { type: "peer.revoked", data: { peer_id, cause: "lost" } }
  ]
  const events = facts.map((fact, i) => event(fact, { id: i, source: sourceOf(9, "hosted"), lamport: i + 1, subject: peer_id }))

  it.effect("are listed with their keys, whatever the order of arrival", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      const dice = random(1)
      for (let round = 0; round < 8; round++) {
        yield* projections.reset
        const entries = dice.shuffled(events).map((opened, i) => fromLog(i + 1, opened))
        yield* projections.absorb({ cursor: "log", epoch: "1", entries })
        const all = yield* listPeers(tenant)
        assert.strictEqual(all.length, 1)
        assert.deepStrictEqual(all[0], {
          peer_id,
          backend_id: sourceOf(1),
          backend_type: "local",
          capabilities: ["sync"],
          public_key: keys[1],
          wrap_key: "wrap",
          key_id: keyIdOf(keys[1]),
          key_since: events[3]!.envelope.time,
          registered_at: events[0]!.envelope.time,
          expires_at: "2026-11-23T18:00:00.000Z",
          confirmed: true,
          revoked: { at: events[5]!.envelope.time, cause: "lost" }
        })
        const pinned = (yield* allAuthors).find(([, author]) => author === peer_id)?.[2].keys
        assert.deepStrictEqual(pinned, [
          { keyId: keyIdOf(keys[0]), publicKey: keys[0], until: "2026-11-29T10:00:00.000Z" },
          { keyId: keyIdOf(keys[1]), publicKey: keys[1] }
        ])
      }
      assert.isTrue(Option.isNone(yield* peerById({ tenant, peer: "peer_0000000000000000" })))
    }).pipe(Effect.provide(database())))

  it.effect("and settings are there to be written again, as they were, where the log lost them", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      const hosted = sourceOf(9, "hosted")
      const changed = event({ type: "settings.changed", data: { retention_days: 7 } }, { id: 20, source: hosted, lamport: 20, subject: "settings" })
      const later = event({ type: "peer.renewed", data: registered(keys[0], "2026-11-24T18:00:00.000Z") }, { id: 21, source: hosted, lamport: 21, subject: peer_id })
      const elses = event({ type: "settings.changed", data: { retention_days: 8 } }, { id: 22, source: sourceOf(1), lamport: 22, subject: "settings" })
      const all = [...events, changed, later, elses]
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: all.map((opened, i) => fromLog(i + 1, opened)) })
      assert.deepStrictEqual(yield* unplacedTold(hosted), [])
      yield* projections.newEpoch("log", "2")
      // of renewals the last says everything
      const kept = [...events.filter(({ fact }) => fact.type !== "peer.renewed"), changed, later]
      assert.deepStrictEqual(yield* unplacedTold(hosted), kept.map((opened) => ({ tenant, opened })))
      yield* projections.absorb({ cursor: "log", epoch: "2", entries: all.slice(1).map((opened, i) => fromLog(i + 1, opened)) })
      assert.deepStrictEqual(yield* unplacedTold(hosted), [{ tenant, opened: events[0]! }])
    }).pipe(Effect.provide(database())))
})

describe("sync state", () => {
  const commit = (seq: number, author: string): Entry => ({
    kind: "commit", seq, tenant, author, digest: `digest ${seq}`, journal: "j", from: seq, to: seq, time: "2026-11-22T10:00:00.000Z", events: 2
  })

  it.effect("keeps each author's last record, problems, positions and notes", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      const problem: Entry = { kind: "problem", seq: 3, tenant, what: "quarantined", detail: "signature" }
      const entries = [commit(1, "hosted"), commit(2, "peer_00112233445566aa"), problem]
      yield* projections.absorb({ cursor: "log", epoch: "1", entries })
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: [...entries, commit(4, "hosted")] })
      const heads = new Map((yield* allHeads).map(([, author, head]) => [author, head]))
      assert.deepStrictEqual([...heads].map(([author, { seq }]) => [author, seq]).sort(), [["hosted", 4], ["peer_00112233445566aa", 2]])
      const head = heads.get("hosted")!
      // what was absorbed twice counts once
      const totals = yield* syncState.committed(tenant)
      assert.deepStrictEqual(totals.map(({ author, commits, events }) => [author, commits, events]).sort(), [["hosted", 2, 4], ["peer_00112233445566aa", 1, 2]])
      assert.deepStrictEqual({ digest: head.digest, from: head.from, to: head.to }, { digest: "digest 4", from: 4, to: 4 })
      assert.deepStrictEqual((yield* syncState.problems({ tenant, limit: 10 })).map((row) => ({ ...row })), [{ seq: 3, what: "quarantined", detail: "signature" }])
      assert.deepStrictEqual([...yield* syncState.problemCounts(tenant)], [["quarantined", 1]])
      // what is missing is known once the log was read further than the record that lacks it
      const missing: Entry = { kind: "problem", seq: 2, tenant, what: "quarantined", detail: "1 of 2 events are missing" }
      for (const entries of [[missing, commit(5, "hosted")], [missing]]) assert.strictEqual((yield* projections.absorb({ cursor: "log", epoch: "1", entries })).seq, 5)
      assert.deepStrictEqual([...yield* syncState.problemCounts(tenant)], [["quarantined", 2]])

      const at = (peer_id: string, log_seq: number, second: number) => ({ peer_id, log_seq, seen_at: `2026-11-22T10:00:0${second}.000Z` })
      yield* syncState.reportPositions(tenant, [at("a", 5, 2), at("b", 3, 2)])
      yield* syncState.reportPositions(tenant, [at("a", 9, 1), at("b", 4, 3)])
      const positions = yield* syncState.peerPositions(tenant)
      assert.deepStrictEqual(positions.map(({ log_seq, peer_id }) => [peer_id, log_seq]), [["a", 5], ["b", 4]])
      assert.strictEqual(syncState.lowestPosition(positions, ["a", "b"]), 4)
      assert.strictEqual(syncState.lowestPosition(positions, ["a", "new"]), 0)
      assert.strictEqual(syncState.lowestPosition(positions, []), 0)

      yield* syncState.putNote(tenant, "mirror", { last: 5 })
      yield* syncState.putNote(tenant, "mirror", { last: 6 })
      assert.deepStrictEqual(yield* syncState.note(tenant, "mirror"), Option.some({ last: 6 }))
      assert.isTrue(Option.isNone(yield* syncState.note("t_other", "mirror")))
    }).pipe(Effect.provide(database())))
})
