// Goal: whatever the history of the settings, and however changes, writes and sending interleave, what is on hosted is exactly what
// the settings at the time of sending allowed.
// Method: random schedules over the pure parts a commit goes through on both sides, real keys; beside them a model that says of each
// event what may be there. Another device changes settings on hosted meanwhile, and this one reads them when it reads them.
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { apply, effective, empty, greatestStamp, type State } from "../../../projections/settings/apply.ts"
import { type Prepared, pendingOf, prepare } from "../../../src/local/prepare.ts"
import type { Stored } from "../../../src/nats/EventLog.ts"
import { admit } from "../../../src/security/admit.ts"
import { idsDigest, parseCommit } from "../../../src/security/commit.ts"
import { openEnvelope } from "../../../src/security/envelopes.ts"
import type { Fact, FactOf } from "../../../streams/catalog.ts"
import { decode, encode, plain } from "../../../streams/Envelope.ts"
import type { Settings } from "../../../streams/events/settings.ts"
import { factsOf, makeTenant } from "../../support/ingestRig.ts"
import { random, sourceOf, timeOf, uuidOf } from "../projections/rig.ts"

/** An event in this device's journal; `texts`: what a message says here, and redacted. `undefined`: a change of settings. */
interface Wrote {
  readonly stored: Stored
  readonly surface: string
  readonly texts: readonly [here: string, redacted: string] | undefined
}
interface Signed {
  readonly commit: Prepared
  readonly settings: Settings
  readonly seen: number
  readonly mark: number
}
type Change = FactOf<"settings.changed">["data"]

const changes: ReadonlyArray<Change> = [
  { sync_enabled: false }, { sync_enabled: true }, { sync_enabled: true }, { sync_conversations: false }, { sync_conversations: true }, { sync_conversations: true },
  { redact_pii: false }, { redact_pii: true }, { allowed_surfaces: null }, { allowed_surfaces: ["cli"] }, { allowed_surfaces: ["cli", "web"] }, { allowed_surfaces: [] }
]
const open: Change = { sync_enabled: true, sync_conversations: true, allowed_surfaces: null }
const tenant = await makeTenant()
const seen = { plain: 0, redacted: 0, withheld: 0, stopped: 0, refused: 0, gatedAgain: 0 }

const allowsContent = (settings: Settings) => settings.sync_enabled && settings.sync_conversations
const allowsSurface = (settings: Settings, surface: string) => settings.allowed_surfaces === null || settings.allowed_surfaces.includes(surface)

/** This device and hosted, with what may be there as the model says it. */
const makeRun = (seed: number) => {
  const dice = random(seed)
  const { ada, log } = { log: tenant.log, ada: { ...tenant.ada } }
  const journal: Array<Wrote> = []
  const onHosted: Array<string> = []
  const allowed: Array<string> = []
  let here: State = empty
  let there: State = empty
  const unread: Array<Parameters<typeof apply>[1]> = []
  let clock = 0
  let logSeq = 0
  let settingsSeq = 0
  let read = 0
  let mark = 0
  let sent = 0
  let inFlight: Signed | undefined

  const put = (fact: Fact, surface: string, texts: Wrote["texts"]) => {
    const lamport = ++clock
    const envelope = plain(fact, { id: uuidOf(lamport), source: ada.backendId, time: timeOf(lamport % 60), subject: texts === undefined ? "settings" : "c1", lamport, surface })
    journal.push({ stored: { seq: journal.length + 1, subject: "journal", time: 0, data: encode(envelope) }, surface, texts })
    return { lamport, time: envelope.time, source: ada.backendId }
  }
  const write = () => {
    const n = journal.length
    put({ type: "message.appended", data: { message_id: `m${n}`, role: "user", content: `${n} ann${n}@example.org`, timestamp: timeOf(0) } }, dice.pick(["cli", "web"]), [`${n} ann${n}@example.org`, `${n} [REDACTED_EMAIL]`])
  }
  const based = (state: State, data: Change): Change => {
    const base = greatestStamp(state)
    return base === undefined || dice.chance(0.2) ? data : { ...data, base }
  }
  const changeHere = (change: Change) => {
    const data = based(here, change)
    here = apply(here, { data, stamp: put({ type: "settings.changed", data }, "cli", undefined) })
    mark++
  }
  const changeThere = () => {
    const change = { data: based(there, dice.pick(changes)), stamp: { lamport: ++clock, time: timeOf(clock % 60), source: sourceOf(7) } }
    there = apply(there, change)
    unread.push(change)
    settingsSeq = ++logSeq
  }
  const catchUp = () => {
    for (const change of unread.splice(0)) here = apply(here, change)
    read = logSeq
    mark++
  }
  const gateNext = () => {
    const pending = journal.slice(sent)
    if (pending.length === 0 || inFlight !== undefined) return
    const settings = effective(here)
    const made = prepare(pending.map(({ stored }) => pendingOf(stored)), { settings, key: log.key, shareId: (id) => `h_${id}`, skip: () => undefined })
    if (made._tag === "stopped") {
      assert.isFalse(allowsContent(settings) || pending[0]!.texts === undefined, "stopped without need")
      seen.stopped++
    } else inFlight = { commit: made.commit, settings, seen: read, mark }
  }
  const deliver = () => {
    const signed = inFlight
    inFlight = undefined
    if (signed === undefined) return
    if (signed.mark !== mark) return void seen.gatedAgain++
    const { commit } = signed
    const author = { ...ada }
    const record = log.record(author, [], { from: ada.to + 1, to: commit.to, ids: idsDigest(commit.ids), hashes: commit.hashes, seen: { log_seq: signed.seen, head: "" } })
    const settings = effective(there)
    const verdict = admit(Result.getOrThrow(parseCommit(record.data)), commit.events, factsOf(log, ada, { settings, settingsSeq, greatestLamport: clock }))
    const covered = journal.slice(sent, commit.to)
    const leaving = covered.filter(({ surface, texts }) => texts !== undefined && allowsSurface(signed.settings, surface))
    const forbidden = signed.seen < settingsSeq && leaving.some(({ surface }) => !allowsContent(settings) || !allowsSurface(settings, surface))
    assert.strictEqual(Result.isFailure(verdict) ? verdict.failure.verdict : "committed", forbidden ? "withheld" : "committed")
    if (Result.isFailure(verdict)) {
      seen.refused++
      return catchUp()
    }
    Object.assign(ada, author)
    sent = commit.to
    seen.withheld += covered.filter(({ texts }) => texts !== undefined).length - leaving.length
    assert.isTrue(leaving.length === 0 || allowsContent(signed.settings), "sent although nothing may leave")
    for (const { texts } of leaving) allowed.push(texts![signed.settings.redact_pii ? 1 : 0])
    for (const bytes of commit.events) take(bytes)
  }
  /** What lies in the log, opened. */
  const take = (bytes: Uint8Array) => {
    const { envelope, fact } = Result.getOrThrow(openEnvelope(Result.getOrThrow(decode(bytes)), () => log.key))
    logSeq++
    if (fact.type === "message.appended") {
      onHosted.push(fact.data.content)
      seen[fact.data.content.includes("@") ? "plain" : "redacted"]++
    } else if (fact.type === "settings.changed") {
      there = apply(there, { data: fact.data, stamp: { lamport: envelope.lamport, time: envelope.time, source: envelope.source } })
      settingsSeq = logSeq
    }
  }
  const step = () => dice.pick([write, write, write, gateNext, gateNext, deliver, deliver, catchUp, changeThere, () => changeHere(dice.pick(changes))])()
  return {
    step,
    state: () => ({ onHosted, allowed }),
    /** Everything is allowed again by somebody who has read everything: what waits goes out. */
    finish: () => {
      for (let n = 0; n < 100 && sent < journal.length; n++) {
        catchUp()
        if (!allowsContent(effective(here))) here = apply(here, { data: { ...open, base: greatestStamp(here)! }, stamp: { lamport: ++clock, time: timeOf(0), source: sourceOf(8) } })
        gateNext()
        deliver()
      }
      assert.strictEqual(sent, journal.length, "all of the journal is covered in the end")
    }
  }
}

describe("what is on hosted", () => {
  it("is exactly what the settings at the time of sending allowed", () => {
    for (let seed = 1; seed <= 250; seed++) {
      const run = makeRun(seed)
      for (let n = 0; n < 40; n++) run.step()
      run.finish()
      const { allowed, onHosted } = run.state()
      assert.deepStrictEqual(onHosted, allowed, `seed ${seed}`)
    }
    for (const [what, times] of Object.entries(seen)) assert.isAbove(times, 50, `the schedules hardly ever saw: ${what}`)
  })
})
