/**
 * What must hold, by number:
 *
 * 0. Nothing stops by itself, and nobody is told to decide something when nothing calls for it.
 * 1. No acknowledged event is lost, and none is called sent that is not.
 * 2. None is there twice.
 * 3. An author's commits form a chain without gaps.
 * 4. Stamps rise: per journal, and per journal in the log.
 * 5. A client never sees a message go back.
 * 6. After quiet all digests are equal.
 * 7. The winner is the write with the greatest stamp.
 * 8. Nothing has left that the settings at the time of sending forbade.
 * 9. A companion's chain is its own: no side names a commit that its companion did not make.
 * 10. Telemetry that was acknowledged is stored, and nothing of it twice.
 * 11. Nothing of a peer that was shut out enters the log, a second after its revocation was answered.
 * 12. What a commit's author had read lies in the log it is in, and nobody is told otherwise, unless the log was put back.
 *
 * 2, 3, 4, 11 and 12 are looked at with every write to a store, 8 and 9 with every request, 5 with every read, 1 at every step
 * and whenever a machine starts; 1, 2, 6, 7, 10 and 12 over everything once it is quiet (`quiet.ts`).
 */
import { Option, Result, SubscriptionRef } from "effect"
import { apply, effective, empty, type State } from "../../projections/settings/apply.ts"
import type { Draft, Written } from "../../streams/Backend.ts"
import { decode, type Envelope, interpret, type Opened, stampOf } from "../../streams/Envelope.ts"
import type { Settings } from "../../streams/events/settings.ts"
import { compare, type Stamp } from "../../streams/Stamp.ts"
import type { Mark } from "../../src/hosted/LogMark.ts"
import { makeMemoryStore, type MemoryStore } from "../../src/nats/memoryStore.ts"
import { openEnvelope } from "../../src/security/envelopes.ts"
import { companionEventIds } from "../../src/local/companionFrame.ts"
import type { Stored } from "../../src/nats/EventLog.ts"
import { parseCommit, unframe } from "../../src/security/commit.ts"
import type { Tenant } from "./identities.ts"
import type { Kernel } from "./kernel.ts"
import type { HubCopy } from "./hub.ts"
import type { Local, LocalCopy } from "./local.ts"
import { LogCheck } from "./logCheck.ts"

/** What nothing may ever send as it is, while redaction is on. */
export const personal = "ada.lovelace@example.org"

export interface Acknowledged {
  readonly by: string
  readonly tenant: string
  readonly id: string
  /** Gone with the only place it had: a data directory or a log that was put back from an older copy. */
  excused: boolean
}

export class Invariants {
  readonly acknowledged = new Map<string, Acknowledged>()
  /** Telemetry events that a local said it has. */
  readonly telemetry = new Map<string, Local>()
  readonly #kernel: Kernel
  readonly #tenants: ReadonlyMap<string, Tenant>
  readonly #seen = new Map<string, Stamp>()
  /** Settings a person at a local was told are stored, on top of what its tables hold. */
  readonly #settings = new Map<string, Array<{ readonly draft: Draft; readonly stamp: Stamp; readonly at: number }>>()
  /** Events that some tables once said stay where they were written. */
  readonly #stays = new Set<string>()
  /** How far `relayed` has looked. */
  readonly #relayed = new WeakMap<MemoryStore, number>()
  readonly #samples = new Map<Local, Array<{ readonly at: number; readonly state: State }>>()
  readonly #journals = new Map<MemoryStore, { seq: number; lamport: number; readonly ids: Set<string> }>()
  readonly #stamps = new Map<string, Stamp>()
  /** Every event that was in the log at some time. */
  readonly #everInLog = new Set<string>()
  #log: LogCheck
  /** Whether the log was ever put back to an earlier state. */
  logPutBack = false

  constructor(kernel: Kernel, tenants: ReadonlyArray<Tenant>) {
    this.#kernel = kernel
    this.#tenants = new Map(tenants.map((tenant) => [tenant.id, tenant]))
    this.#log = new LogCheck(kernel)
  }

  /** 2, 3, 4. */
  logWritten(store: MemoryStore): void {
    if (this.#log.store !== store) {
      this.logPutBack = this.#log.store !== undefined
      this.#log = new LogCheck(this.#kernel, store, this.#log.shutOut, !this.logPutBack)
    }
    this.#log.readOn()
    for (const [id, stamp] of this.#log.stamps) this.#stamps.set(id, stamp)
    for (const id of this.#log.stamps.keys()) this.#everInLog.add(id)
  }

  /** 11. */
  shutOut(peer: string): void {
    this.#kernel.after(flowMillis, () => void this.#log.shutOut.add(peer))
  }

  isInLog(id: string): boolean {
    return this.#log.stamps.has(id)
  }

  /** 4. */
  journalWritten(name: string, store: MemoryStore): void {
    const at = this.#journalOf(store)
    for (const stored of store.from(at.seq + 1, Number.MAX_SAFE_INTEGER)) {
      at.seq = stored.seq
      if (isFramed(stored)) {
        for (const id of companionEventIds(stored.data)) at.ids.add(id)
        continue
      }
      const envelope = Result.getOrThrow(decode(stored.data))
      if (envelope.lamport <= at.lamport) this.#kernel.fail(4, `${name}: lamport ${envelope.lamport} at journal ${stored.seq}, after ${at.lamport}`)
      at.lamport = envelope.lamport
      at.ids.add(envelope.id)
      this.#stamps.set(envelope.id, stampOf(envelope))
    }
  }

  #journalOf(store: MemoryStore) {
    let at = this.#journals.get(store)
    if (at === undefined) this.#journals.set(store, at = { seq: 0, lamport: 0, ids: new Set() })
    return at
  }

  isInJournal(local: Local, id: string): boolean {
    this.journalWritten(local.name, local.journal)
    return this.#journalOf(local.journal).ids.has(id)
  }

  /** A client was told that these are stored. */
  told(by: string, tenant: string, drafts: ReadonlyArray<Draft>, written: ReadonlyArray<Written>): void {
    written.forEach(({ id, stamp }, i) => {
      this.#stamps.set(id, stamp)
      this.acknowledged.set(id, { by, tenant, id, excused: false })
      const draft = drafts[i]!
      if (draft.fact.type === "settings.changed") this.#settings.set(by, [...this.#settings.get(by) ?? [], { draft, stamp, at: this.#kernel.now }])
    })
  }

  /** 1: what a machine acknowledged is in its journal when it starts, whatever happened to it. */
  started(local: Local): void {
    for (const event of this.acknowledged.values()) {
      if (event.by === local.name && !event.excused && !this.isInJournal(local, event.id) && !this.isInLog(event.id)) {
        this.#kernel.fail(1, `${local.name}: acknowledged event ${event.id} is neither in its journal nor in the log`)
      }
    }
  }

  /** 1: what is called sent was in the log at some time, or stays here. */
  relayed(local: Local): void {
    if (local.parts === undefined) return
    const { to } = SubscriptionRef.getUnsafe(local.parts.state.relayed)
    const checked = this.#relayed.get(local.journal) ?? 0
    if (to <= checked) return
    this.#relayed.set(local.journal, to)
    for (const id of local.journal.from(checked + 1, to).flatMap(idsIn)) {
      if (this.#everInLog.has(id) || this.#stays.has(id)) continue
      // asked late, and kept: tables that were emptied need a while to find it out again
      for (const stays of local.withheld) this.#stays.add(stays)
      if (!this.#stays.has(id)) this.#kernel.fail(1, `${local.name} calls event ${id} sent, which never was in the log`)
    }
  }

  /** A data directory was put back: what only it held is gone, as it would be for anybody. */
  putBack(local: Local): void {
    for (const event of this.acknowledged.values()) {
      if (event.by === local.name && !this.isInJournal(local, event.id) && !this.isInLog(event.id)) event.excused = true
    }
    this.#settings.delete(local.name)
    this.#samples.delete(local)
    this.forgetClient(local.name)
  }

  /** Whether a data directory may be put back: nothing that others have read may be gone everywhere else. */
  mayForget(local: Local, copy: LocalCopy): boolean {
    const kept = new Set(copy.journal.messages.flatMap(idsIn))
    // a companion lets go of what this machine told it is here: no part claims to bring that back
    if (local.journal.from(1, Number.MAX_SAFE_INTEGER).some((stored) => isFramed(stored) && idsIn(stored).some((id) => !kept.has(id)))) return false
    return [...this.#journalOf(local.journal).ids].every((id) => kept.has(id) || this.isInLog(id) || !this.#everInLog.has(id))
  }

  /**
   * Whether the log may be put back: what it loses is in its author's journal, and the mark outside shows that it
   * lost something. (Hosted's own commits have no journal: those after the copy are gone with the log, as in any backup.)
   */
  mayLose(locals: ReadonlyArray<Local>, copy: HubCopy, mark: Option.Option<Mark>): boolean {
    if (Option.isNone(mark) || mark.value.high_water <= copy.log.lastSeq) return false
    const kept = new LogCheck(this.#kernel, makeMemoryStore("copy", copy.log))
    kept.readOn()
    return [...this.#log.stamps].every(([id, { source }]) =>
      kept.stamps.has(id) || locals.some((local) => !local.revoking && local.who.self.identity.backend_id === source && this.isInJournal(local, id)))
  }

  /** Whether the log, put back, lacks what this machine sent: shut out now, it could not send it again, and others that read it go on showing it. */
  isLacking(local: Local): boolean {
    return [...this.#journalOf(local.journal).ids].some((id) => this.#everInLog.has(id) && !this.isInLog(id))
  }

  /** The client of a backend whose tables were made anew begins anew too. */
  forgetClient(of: string): void {
    for (const key of [...this.#seen.keys()]) if (key.startsWith(`${of}/`)) this.#seen.delete(key)
  }

  /** The stamp an event was written with, whatever a backend makes of it. */
  stampOf(id: string): Stamp {
    const stamp = this.#stamps.get(id)
    if (stamp === undefined) throw new Error(`event ${id} was never written`)
    return stamp
  }

  /** 5. */
  read(client: string, message: string, stamp: Stamp): void {
    const key = `${client}/${message}`
    const last = this.#seen.get(key)
    if (last !== undefined && compare(stamp, last) < 0) {
      this.#kernel.fail(5, `${client}: ${message} was at ${shown(last)} and is at ${shown(stamp)}`)
    }
    this.#seen.set(key, stamp)
  }

  /** 8. */
  sending(local: Local, commit: Uint8Array): void {
    const frame = unframe(commit)
    if (Result.isFailure(frame)) return this.#kernel.fail(8, `${local.name} sends what is no commit`)
    // forbidden is what was so before this moment and is so still: arriving settings take an instant to be heard
    // a companion gates for itself, and what it signed is sent on as it came
    const parsed = parseCommit(frame.success.record)
    if (Result.isSuccess(parsed) && parsed.success.record.author !== local.machine.peer) return
    const inForce = [this.#sampled(local), settingsIn(local)].map((held) => effective(this.#withOwn(local, held)))
    for (const bytes of frame.success.events) {
      const opened = this.open(local.tenant.id, Result.getOrThrow(decode(bytes)))
      if (inForce.every((settings) => forbids(settings, opened))) {
        this.#kernel.fail(8, `${local.name}: ${opened.fact.type} ${opened.envelope.id} leaves against ${JSON.stringify(inForce[1])}`)
      }
    }
  }

  /** Look at what a local's tables say of the settings now: at every step. */
  sample(local: Local): void {
    const samples = this.#samples.get(local) ?? []
    samples.push({ at: this.#kernel.now, state: settingsIn(local) })
    this.#samples.set(local, samples.slice(-3))
  }

  #sampled(local: Local): State {
    return this.#samples.get(local)?.findLast(({ at }) => at <= this.#kernel.now - hearingMillis)?.state ?? empty
  }

  /** What a person was told is stored counts at once, whatever the tables have read. */
  #withOwn(local: Local, held: State): State {
    return (this.#settings.get(local.name) ?? []).reduce((state, { at, draft: { fact }, stamp }) =>
      fact.type === "settings.changed" && at < this.#kernel.now ? apply(state, { data: fact.data, stamp }) : state, held)
  }

  /** Any event of a tenant, sealed or not. */
  open(tenant: string, envelope: Envelope): Opened {
    const { key } = this.#tenants.get(tenant)!
    return Result.getOrThrow(envelope.datacontenttype === "application/json"
      ? interpret(envelope, envelope.data)
      : openEnvelope(envelope, (kid) => kid === key.kid ? key : undefined))
  }
}

const isFramed = ({ subject }: Stored): boolean => subject.startsWith("journal.commit.")
const idsIn = (stored: Stored): ReadonlyArray<string> => isFramed(stored) ? companionEventIds(stored.data) : [Result.getOrThrow(decode(stored.data)).id]

const shown = ({ lamport, source, time }: Stamp): string => `(${lamport}, ${time}, ${source.slice(0, 20)})`

/** Every hosted process has heard of a revocation by then. */
const flowMillis = 1000
/** Longer than it takes a process to act on what its tables have just taken in. */
const hearingMillis = 20

const settingsIn = (local: Local): State => {
  const [row] = local.tables.statement("select state from settings where tenant = (select id from tenant where name = 'self')").all()
  return typeof row?.["state"] === "string" ? JSON.parse(row["state"]) as State : empty
}

const forbids = ({ allowed_surfaces, redact_pii, sync_conversations, sync_enabled }: Settings, { envelope, fact }: Opened): boolean =>
  /^(message|conversation)\./.test(fact.type) && (
    !sync_enabled || !sync_conversations ||
    (allowed_surfaces !== null && !allowed_surfaces.includes(envelope.surface)) ||
    (redact_pii && JSON.stringify([envelope.subject, fact.data]).includes(personal)))
