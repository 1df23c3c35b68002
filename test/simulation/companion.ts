import { Effect, Exit } from "effect"
import type { Syncing } from "../../streams/Backend.ts"
import type { Fact } from "../../streams/catalog.ts"
import { plain } from "../../streams/Envelope.ts"
import type { Settings } from "../../streams/events/settings.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import { isoTime } from "../../streams/time.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import { gate } from "../../src/privacy/gate.ts"
import { idsDigest } from "../../src/security/commit.ts"
import { digestOf } from "../../src/security/digest.ts"
import { sealEnvelope } from "../../src/security/envelopes.ts"
import { sharedId } from "../../src/security/sharedId.ts"
import { conversations, messages } from "./client.ts"
import { type Tenant, type Who, whoIsCompanion } from "./identities.ts"
import type { Local } from "./local.ts"
import type { World } from "./world.ts"

export type Side = "local" | "hosted"

/** Where a companion comes in at a backend. */
export interface Door {
  readonly commit: Syncing["Service"]["commit"]
  readonly settings: (tenant: string) => Effect.Effect<Settings>
  /** The greatest there. */
  readonly lamport: (tenant: string) => Effect.Effect<number>
}

interface Own {
  readonly id: string
  readonly fact: Fact
  readonly subject: string
  readonly stamp: Stamp
}

interface Kept {
  readonly n: number
  readonly prev: string
  readonly record: Uint8Array
  readonly events: ReadonlyArray<Uint8Array>
  readonly digest: string
  readonly to: number
}

interface Answer {
  readonly verdicts: ReadonlyArray<Verdict>
  readonly settings: Settings
  readonly lamport: number
}

const surface = "ios"
const syncEvery = 10_000
/** An answer that did not come by then never will. */
const patience = 20_000
const askAgainEvery = 60_000
const offeredMax = 5

/**
 * A phone: its storage survives everything, and it syncs with the local backend it belongs to, with hosted, or with both.
 * What it decides is what `src/sdk/typescript/{commits,sync}.ts` decide, whose WebCrypto knows no virtual time; what it
 * meets is real.
 */
export class Companion {
  readonly name: string
  readonly tenant: Tenant
  readonly who: Who
  readonly peer: string
  /** The machine it belongs to, if it does. */
  readonly home: Local | undefined
  readonly sides: ReadonlyArray<Side>
  online = true
  /** Events the settings keep here. */
  readonly stays = new Set<string>()
  readonly #world: World
  readonly #own: Array<Own> = []
  #kept: Array<Kept> = []
  #commits = 0
  #committed = 0
  #prev = ""
  #lamport = 0
  #settings: Settings | undefined
  readonly #journal: string
  readonly #takenBack = new Map<string, Kept>()
  readonly #acked = new Map<Side, number>()
  readonly #asked = new Map<Side, number>()
  readonly #waiting = new Map<Side, object>()
  readonly #bases = new Map<string, Stamp>()

  constructor(world: World, number: number, tenant: Tenant, home: Local | undefined, sides: ReadonlyArray<Side>) {
    this.#world = world
    this.name = `phone${number}`
    this.tenant = tenant
    this.who = whoIsCompanion(number)
    this.peer = tenant.record.devices.find(({ backend_id }) => backend_id === this.who.self.identity.backend_id)!.peer_id
    this.home = home
    this.sides = sides
    this.#journal = world.newId()
    world.kernel.every(syncEvery, () => this.sync())
  }

  /** Somebody types: it is kept before they see it. */
  write(): void {
    const { dice, now, trace } = this.#world.kernel
    const subject = dice.pick(conversations)
    const message_id = dice.pick(messages)
    const stamp: Stamp = { lamport: ++this.#lamport, time: isoTime(now), source: this.who.self.identity.backend_id }
    const register = `${subject}/${message_id}`
    const base = this.#bases.get(register)
    const data = { message_id, role: "user", content: `typed ${dice.below(1000)}`, timestamp: "2026-11-22T10:00:00Z" }
    const fact: Fact = base === undefined ? { type: "message.appended", data } : { type: "message.edited", data: { ...data, base } }
    this.#bases.set(register, stamp)
    const event: Own = { id: this.#world.newId(), fact, subject, stamp }
    this.#own.push(event)
    this.#world.invariants.told(this.name, this.tenant.id, [{ ...event, surface }], [{ id: event.id, stamp, position: this.#own.length }])
    trace.note(this.name, `typed ${this.#own.length}/${stamp.lamport}`)
    this.sync()
  }

  sync(): void {
    if (this.online) for (const side of this.sides) this.#syncWith(side)
  }

  /** What it still has to send, if anything. */
  get unrest(): string | undefined {
    if (this.#committed < this.#own.length) return `${this.#own.length - this.#committed} of its writes are in no commit`
    for (const side of this.sides) if (this.#at(side) < this.#commits) return `${side} has ${this.#at(side)} of its ${this.#commits} commits`
    return undefined
  }

  #at(side: Side): number {
    return this.#acked.get(side) ?? 0
  }

  #syncWith(side: Side): void {
    const { kernel, weather } = this.#world
    const backend = side === "local" ? this.home! : kernel.dice.pick(this.#world.hosted)
    if (this.#waiting.has(side) || backend.parts === undefined || backend.process === undefined) return
    this.#makeCommits()
    const acked = this.#at(side)
    const fresh = this.#kept.filter(({ n }) => n > acked).slice(0, offeredMax)
    const offered = fresh.length === 0 && this.#timeToAsk(side) ? this.#kept.filter(({ n }) => n >= acked).slice(0, 1) : fresh
    const before = (offered[0]?.n ?? acked + 1) - 1
    const request = {}
    this.#waiting.set(side, request)
    const over = () => this.#waiting.get(side) === request && this.#waiting.delete(side)
    kernel.after(patience, over)
    const deliver = (delay: number, heard: boolean) =>
      kernel.after(delay, () => {
        const { parts, process } = backend
        if (parts === undefined || process === undefined) return
        process.run(serve(this, parts.door, offered), (exit) => {
          if (Exit.isFailure(exit)) return kernel.fail(0, `${backend.name}: a sync of ${this.name} made it die: ${String(exit.cause)}`)
          if (heard && !weather.lost()) kernel.after(weather.latency(), () => { if (over()) this.#take(side, before, offered, exit.value) })
        })
      })
    if (!weather.lost()) deliver(weather.latency(), true)
    if (weather.repeated()) deliver(weather.latency() + kernel.dice.below(20_000), false)
  }

  #timeToAsk(side: Side): boolean {
    const { now } = this.#world.kernel
    if (now - (this.#asked.get(side) ?? 0) < askAgainEvery) return false
    this.#asked.set(side, now)
    return true
  }

  /** Gate by the settings last heard of, seal, sign, chain: kept, and never made again. */
  #makeCommits(): void {
    const settings = this.#settings
    while (settings !== undefined && this.#committed < this.#own.length) {
      const ids: Array<string> = []
      const events: Array<Uint8Array> = []
      for (const event of this.#own.slice(this.#committed)) {
        const out = this.#outgoing(event, settings)
        if (out === "stop") break
        if (out !== "stays") events.push(out)
        ids.push(event.id)
      }
      if (ids.length === 0) return
      const to = this.#committed + ids.length
      const record = Effect.runSync(this.who.self.signCommit({
        author: this.peer, sync_id: this.#world.newId(), journal: this.#journal, from: this.#committed + 1, to,
        ids: idsDigest(ids), hashes: events.map((event) => digestOf(event)), prev: this.#prev, seen: { log_seq: 0, head: "" }, time: isoTime(this.#world.kernel.now)
      }))
      const digest = digestOf(record)
      this.#kept.push({ n: ++this.#commits, prev: this.#prev, record, events, digest, to })
      this.#prev = digest
      this.#committed = to
    }
  }

  #outgoing({ fact, id, stamp, subject }: Own, settings: Settings): Uint8Array | "stop" | "stays" {
    const envelope = plain(fact, { id, subject, surface, ...stamp })
    const { key } = this.tenant
    const verdict = this.stays.has(id) ? "stays" : gate({ opened: { envelope, fact }, settings, shareId: (name) => sharedId(key, name) })
    if (verdict === "stays" || verdict._tag === "withhold") {
      this.stays.add(id)
      return "stays"
    }
    return verdict._tag === "stop" ? "stop" : sealEnvelope(plain(verdict.fact, { id, subject: verdict.subject, surface: verdict.surface, ...stamp }), key)
  }

  #take(side: Side, before: number, offered: ReadonlyArray<Kept>, { lamport, settings, verdicts }: Answer): void {
    const { kernel } = this.#world
    this.#settings = settings
    this.#lamport = Math.max(this.#lamport, lamport)
    const at = verdicts.findIndex(({ verdict }) => verdict !== "committed")
    const last = offered[(at === -1 ? verdicts.length : at) - 1]
    if (last !== undefined) this.#acknowledge(side, last)
    const refused = verdicts[at]
    if (refused === undefined) return
    kernel.trace.note(this.name, `${side}: ${refused.verdict}`)
    switch (refused.verdict) {
      case "withheld":
        // what hosted has is in the log, whatever a local backend thinks of it by now
        return this.#rewind(Math.max(last?.n ?? before, side === "local" ? this.#at("hosted") : 0))
      case "chain_mismatch":
        return this.#reconcile(side, refused.head)
      case "busy":
      case "rate_limited":
        return
      default:
        if (this.home?.revoked !== true) kernel.fail(9, `${this.name}: ${side} says ${JSON.stringify(refused)}`)
    }
  }

  #acknowledge(side: Side, commit: Kept): void {
    if (!this.#kept.some(({ digest }) => digest === commit.digest)) {
      // taken back while it was on its way
      if (this.#stands(side) && this.#takenBack.has(commit.digest)) this.#adopt(side, commit)
      return
    }
    this.#acked.set(side, Math.max(this.#at(side), commit.n))
    // what every side has need not be kept, but for the last one, which a side may still name as its head
    const everywhere = Math.min(...this.sides.map((one) => this.#at(one)))
    this.#kept = this.#kept.filter((commit) => commit.n >= everywhere)
  }

  /** What the log holds stands; a local backend among two may still have to set it aside. */
  #stands(side: Side): boolean {
    return side === "hosted" || this.sides.length === 1
  }

  /** Take back the commits behind `n`, which no log holds: they are made anew. */
  #rewind(n: number): void {
    const last = this.#kept.find((commit) => commit.n === n)
    if (n > 0 && last === undefined) return
    for (const commit of this.#kept.filter((commit) => commit.n > n)) this.#takenBack.set(commit.digest, commit)
    this.#kept = this.#kept.filter((commit) => commit.n <= n)
    for (const side of this.sides) this.#acked.set(side, Math.min(this.#at(side), n))
    this.#commits = n
    this.#committed = last?.to ?? 0
    this.#prev = last?.digest ?? ""
  }

  #reconcile(side: Side, head: string | null): void {
    const digest = head === null ? undefined : digestOf(Buffer.from(head))
    const at = digest === undefined ? 0 : this.#kept.find((commit) => commit.digest === digest)?.n
    const [first] = this.#kept
    if (at !== undefined && (at > 0 || first === undefined || first.n === 1)) return void this.#acked.set(side, at)
    const back = digest === undefined || at !== undefined ? undefined : this.#takenBack.get(digest)
    if (back !== undefined && this.#stands(side)) return this.#adopt(side, back)
    // nothing of its storage is ever lost here, so nobody may know a commit that it does not
    if (digest !== undefined && at === undefined && back === undefined) this.#world.kernel.fail(9, `${side} names a commit of ${this.name} that was never made, or is long everywhere`)
  }

  /** A commit that was taken back is in the log all the same: it stands, with those before it, and the chain goes on from it. */
  #adopt(side: Side, commit: Kept): void {
    const chain = [commit]
    for (let before = this.#takenBack.get(commit.prev); before !== undefined; before = this.#takenBack.get(before.prev)) chain.unshift(before)
    const from = chain[0]!.n
    for (const since of this.#kept.filter(({ n }) => n >= from)) this.#takenBack.set(since.digest, since)
    for (const { digest } of chain) this.#takenBack.delete(digest)
    this.#kept = [...this.#kept.filter(({ n }) => n < from), ...chain]
    for (const one of this.sides) this.#acked.set(one, one === side ? commit.n : Math.min(this.#at(one), from - 1))
    this.#commits = commit.n
    this.#committed = commit.to
    this.#prev = commit.digest
  }
}

/** What the gateway of a side does with such a sync. */
const serve = ({ peer, tenant }: Companion, door: Door, offered: ReadonlyArray<Kept>): Effect.Effect<Answer> =>
  Effect.gen(function*() {
    const verdicts: Array<Verdict> = []
    for (const { events, record } of offered) {
      const verdict = yield* Effect.uninterruptible(door.commit(tenant.id, peer, { record, events }))
      verdicts.push(verdict)
      // what stands behind a commit that was not taken cannot be either
      if (verdict.verdict !== "committed") break
    }
    return { verdicts, settings: yield* door.settings(tenant.id), lamport: yield* door.lamport(tenant.id) }
  })
