// Goal: every entry of the audit is there once, in its chain, whatever the store and other processes do; and what was done to it shows.
// Method: the hosted audit on logs in memory that lose answers or have a second writer; the local one on files that are cut, filled and altered.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AuditVerified } from "../../src/cli/answers.ts"
import { hostedAudit } from "../../src/hosted/audit.ts"
import { localAudit } from "../../src/local/audit.ts"
import { LogUnavailable } from "../../src/nats/EventLog.ts"
import { makeMemoryLog, type MemoryLogOptions } from "../../src/nats/memoryLog.ts"
import { AuditCheck, emptyChain, signedLink } from "../../src/security/auditChain.ts"
import { keysOfIdentity } from "../../src/security/handovers.ts"
import { Actor, type Audit, type AuditEntry } from "../../streams/Audit.ts"
import { auditSigner, makeAuditSigner } from "../support/auditSigner.ts"
import { all } from "../support/messages.ts"

const tenant = "t_abcdefghijklmnop"
const peerOf = (n: number) => `peer_${n.toString(16).padStart(16, "0")}`
const revoked = (n: number) => ({ type: "peer.revoked" as const, tenant, by: "operator", data: { peer_id: peerOf(n), cause: "lost" } })
const refused = (by: string, reason = "bad_signature") => ({ type: "commit.refused" as const, tenant, by, data: { reason } })

const open = (options: MemoryLogOptions = {}) =>
  Effect.gen(function*() {
    const log = yield* makeMemoryLog("AUDIT", options)
    const signer = yield* auditSigner
    return { log, signer, first: yield* process(log, signer), second: yield* process(log, signer) }
  })

const process = (...[log, signer]: Parameters<typeof hostedAudit>) =>
  Effect.gen(function*() {
    const { run, service } = yield* hostedAudit(log, signer)
    yield* Effect.forkScoped(run)
    return service
  })

const verified = (audit: Audit["Service"]) => Effect.map(Stream.runCollect(audit.verify), (progress) => Schema.decodeUnknownSync(AuditVerified)(progress.at(-1)!.result))

describe("the audit of a hosted backend", () => {
  it.live("two processes at once make one chain for each tenant, without a gap or a fork", () =>
    Effect.gen(function*() {
      const { first, log, second } = yield* open()
      yield* Effect.forEach(Array.from({ length: 60 }, (_, n) => n), (n) =>
        Effect.all([first.record(revoked(n)), second.record(revoked(1000 + n)), second.record({ type: "command.given", data: { command: "rebuild" } })], { concurrency: "unbounded" }), { concurrency: 20 })
      const result = yield* verified(first)
      assert.deepStrictEqual([result.ok, result.entries, result.chains.map(({ last }) => last).toSorted((one, other) => one - other)], [true, 180, [60, 120]])
      const ids = (yield* all(log)).map(({ data }) => (JSON.parse(new TextDecoder().decode(data)) as { readonly id: string }).id)
      assert.strictEqual(new Set(ids).size, 180)
      assert.deepStrictEqual(result.chains.map((chain) => chain.tenant).toSorted(), [null, tenant].toSorted())
    }))

  it.live("an entry whose acknowledgement got lost is there once, and one that was not taken comes later", () =>
    Effect.gen(function*() {
      const lost = new LogUnavailable({ stream: "AUDIT", cause: new Error("planted") })
      let calls = 0
      const { first } = yield* open({ faults: {
        before: Effect.suspend(() => ++calls % 5 === 2 ? Effect.fail(lost) : Effect.void),
        after: Effect.suspend(() => calls % 5 === 4 ? Effect.fail(lost) : Effect.void)
      } })
      for (let n = 0; n < 20; n++) yield* first.record(revoked(n))
      assert.isAtLeast(calls, 25)
      const { entries } = yield* first.read({ limit: 100 })
      assert.deepStrictEqual(entries.map(({ data }) => data["peer_id"]), Array.from({ length: 20 }, (_, n) => peerOf(n)))
      assert.isTrue((yield* verified(first)).ok)
    }))

  it.effect("a peer that floods makes two entries a minute, and costs no other peer its own", () =>
    Effect.gen(function*() {
      const { first } = yield* open()
      for (let n = 0; n < 20_000; n++) yield* first.count(refused(peerOf(1)))
      yield* first.count(refused(peerOf(2)))
      yield* TestClock.adjust("70 seconds")
      const { entries } = yield* first.read({ limit: 100 })
      assert.deepStrictEqual(entries.map(({ by, count }) => [by, count]), [[peerOf(1), undefined], [peerOf(2), undefined], [peerOf(1), 19_999]])
      // whoever varies what it does is counted together from a point on
      for (let n = 0; n < 5000; n++) yield* first.count(refused(peerOf(1), `r${n}`))
      yield* TestClock.adjust("70 seconds")
      const more = (yield* first.read({ limit: 1000 })).entries.slice(3)
      assert.isBelow(more.length, 110)
      assert.strictEqual(more.reduce((sum, { count = 1 }) => sum + count, 0), 5000)
    }))

  it.live("pages go on where the last one ended, of one tenant or of all", () =>
    Effect.gen(function*() {
      const { first } = yield* open()
      for (let n = 0; n < 25; n++) yield* Effect.andThen(first.record(revoked(n)), first.record({ type: "command.given", data: { command: "rebuild" } }))
      const newest = yield* first.read({ tenant, limit: 3 })
      assert.deepStrictEqual(newest.entries.map(({ n }) => n), [23, 24, 25])
      const pages = yield* Effect.gen(function*() {
        const seen: Array<number> = []
        for (let from = "1"; seen.length < 25;) {
          const { cursor, entries } = yield* first.read({ tenant, from, limit: 10 })
          seen.push(...entries.map(({ n }) => n))
          from = cursor
        }
        return seen
      })
      assert.deepStrictEqual(pages, Array.from({ length: 25 }, (_, i) => i + 1))
      const nothing = yield* first.read({ from: newest.cursor, limit: 10 })
      assert.deepStrictEqual(nothing, { entries: [], cursor: newest.cursor })
      yield* Effect.provideService(first.record({ type: "tenant.created", tenant, data: {} }), Actor, "operator")
      assert.deepStrictEqual((yield* first.read({ from: newest.cursor, limit: 10 })).entries.map(({ by, type }) => [by, type]), [["operator", "tenant.created"]])
    }))

  it.live("whatever is altered, removed, put in or exchanged shows, with its place", () =>
    Effect.gen(function*() {
      const { first, log } = yield* open()
      for (let n = 0; n < 10; n++) yield* first.record(revoked(n))
      const stored = (yield* all(log)).map(({ data }) => data)
      const problemsOf = (lines: ReadonlyArray<Uint8Array>) => {
        const check = new AuditCheck()
        lines.forEach((line, i) => check.read(line, i + 1, tenant))
        return check.result().problems.map(({ place }) => place)
      }
      const altered = (i: number) => stored.map((line, k) => k === i ? new TextEncoder().encode(new TextDecoder().decode(line).replace("lost", "test")) : line)
      assert.deepStrictEqual(problemsOf(stored), [])
      for (let i = 0; i < 9; i++) assert.deepStrictEqual(problemsOf(altered(i)), [i + 2])
      assert.deepStrictEqual(problemsOf(stored.filter((_, k) => k !== 4)), [5])
      assert.deepStrictEqual(problemsOf([...stored.slice(0, 5), stored[5]!, ...stored.slice(5)]), [7])
      assert.deepStrictEqual(problemsOf([...stored.slice(0, 3), stored[4]!, stored[3]!, ...stored.slice(5)]), [4, 5, 6])
      // what has grown too old is gone from the front
      assert.deepStrictEqual(problemsOf(stored.slice(3)), [])
    }))

  it.live("a chain written anew, or cut off between two signed ends, is noticed, whoever holds the disk; a key that was handed over still vouches", () =>
    Effect.gen(function*() {
      const { first, log, signer } = yield* open()
      // written together, so that only the last of them is signed
      yield* Effect.forEach(Array.from({ length: 10 }, (_, n) => n), (n) => first.record(revoked(n)), { concurrency: "unbounded" })
      const lines = (yield* all(log)).map(({ data }) => data)
      const signed = lines.map((line) => "signature" in JSON.parse(new TextDecoder().decode(line)))
      assert.deepStrictEqual([signed.at(-1), signed.filter((is) => !is).length > 0], [true, true])
      const check = (told: ReadonlyArray<Uint8Array>, keys = keysOfIdentity(signer.identity)) => {
        const checked = new AuditCheck(keys)
        told.forEach((line, i) => checked.read(line, i + 1, tenant))
        return checked.result()
      }
      const [chain] = check(lines).chains
      assert.deepStrictEqual([check(lines).ok, chain!.signed_by], [true, signer.keyId])
      const cut = signed.indexOf(false)
      assert.deepStrictEqual(check(lines.slice(0, cut + 1)).problems.map(({ place }) => place), [cut + 1])
      // every hash right, every entry there, and the third one another
      const anew = (pen: typeof signer) =>
        Effect.gen(function*() {
          let end = emptyChain
          const made: Array<Uint8Array> = []
          for (const [i, line] of lines.entries()) {
            const { key_id: _, n: __, prev: ___, signature: ____, ...entry } = JSON.parse(new TextDecoder().decode(line)) as AuditEntry
            const next = yield* signedLink(end, i === 2 ? { ...entry, data: { ...entry.data, cause: "test" } } : entry, pen)
            end = next.end
            made.push(next.bytes)
          }
          return made
        })
      const stranger = yield* makeAuditSigner
      assert.deepStrictEqual(check(yield* anew(stranger)).problems.map(({ place }) => place), [10])
      const forged = (yield* anew(stranger)).map((line) => new TextEncoder().encode(new TextDecoder().decode(line).replaceAll(stranger.keyId, signer.keyId)))
      assert.isFalse(check(forged).ok)
      assert.isTrue(check(yield* anew(signer)).ok)
      // a former key of the deployment
      const [former] = keysOfIdentity(signer.identity)
      assert.isTrue(check(lines, [{ ...former!, until: "2026-11-22T10:00:00.000Z" }, ...keysOfIdentity(stranger.identity)]).ok)
    }))
})

describe("the audit of a local backend", () => {
  const folder = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "audit-"))), (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true })))
  const at = (path: string) =>
    Effect.gen(function*() {
      const { run, service } = yield* localAudit(path)
      yield* Effect.forkScoped(run)
      return service
    })

  it.live("is lines of JSON of this user alone, and goes on where it stopped, also after a crash in the middle of a line", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "audit.log")
      yield* Effect.scoped(Effect.flatMap(at(path), (audit) => Effect.forEach([1, 2, 3], (n) => audit.record(revoked(n)))))
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      appendFileSync(path, `{"id":"half a li`)
      const audit = yield* at(path)
      yield* audit.record(revoked(4))
      assert.deepStrictEqual((yield* audit.read({ limit: 10 })).entries.map(({ n }) => n), [1, 2, 3, 4])
      assert.deepStrictEqual((yield* audit.read({ from: "3", limit: 1 })), { entries: [(yield* audit.read({ limit: 2 })).entries[0]!], cursor: "4" })
      assert.isTrue((yield* verified(audit)).ok)
      writeFileSync(path, readFileSync(path, "utf8").replace("lost", "kept"))
      assert.deepStrictEqual((yield* verified(audit)).problems.map(({ place }) => place), [2])
    }).pipe(Effect.scoped))

  it.live("fills a few files and no more, and its chain goes through all of them", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const path = join(dir, "audit.log")
      const audit = yield* at(path)
      const many = Array.from({ length: 1000 }, (_, i) => `s${"x".repeat(50)}${i}`)
      for (let round = 0; round < 14; round++) {
        yield* Effect.forEach(Array.from({ length: 50 }, (_, i) => i), () => audit.record({ type: "settings.changed", data: { fields: many } }), { concurrency: "unbounded", discard: true })
      }
      const { chains, entries, ok } = yield* verified(audit)
      assert.deepStrictEqual([ok, readdirSync(dir).length, chains[0]!.last], [true, 9, 700])
      assert.isBelow(entries, 700)
      assert.strictEqual((yield* audit.read({ limit: 1 })).entries[0]!.n, 700)
    }).pipe(Effect.scoped))
})
