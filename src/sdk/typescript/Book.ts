import { v7 } from "uuid"
import type { Settings } from "../../../streams/events/settings.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import { isoTime } from "../../../streams/time.ts"
import { type Change, type Fact, further, isHidden, type KnownConversation, type KnownMessage, type OwnEvent, withChange, withOwn } from "./model.ts"
import { bookLock, erasedIn, isGone } from "./erased.ts"
import type { Names } from "./Names.ts"
import type { Platform } from "./platform.ts"
import type { Placed } from "./refresh.ts"
import type { Entry, Storage } from "./storage.ts"

/** A commit as it was signed: never made again, so every backend gets the same bytes. `n` counts from 1. */
export interface KeptCommit {
  readonly n: number
  readonly record: string
  readonly events: ReadonlyArray<string>
  readonly digest: string
  readonly journal: string
  readonly to: number
}

/** Where this surface's journal and chain stand. */
export interface Meta {
  /** The greatest lamport seen. */
  readonly lamport: number
  readonly journal: string
  /** Own events written, and how many of them commits cover. */
  readonly written: number
  readonly committed: number
  /** Commits made so far, and the digest of the last one. */
  readonly commits: number
  readonly prev: string
}

/** What a backend has of us, and we of it. */
export interface SideState {
  /** Commits up to this one are there. */
  readonly acked: number
  readonly cursor: string | null
}

const keys = {
  meta: "meta",
  settings: "settings",
  own: (seq: number) => `own/${String(seq).padStart(12, "0")}`,
  commit: (n: number) => `commit/${String(n).padStart(12, "0")}`,
  takenBack: (digest: string) => `taken-back/${digest}`,
  conversation: (shared: string) => `conversation/${shared}`,
  side: (name: string) => `side/${name}`
} as const

export const bookKeys = keys

/**
 * Everything a surface remembers, over its storage. Nothing is kept in memory, so that two tabs never disagree; each change
 * is one atomic write.
 */
export class Book {
  readonly storage: Storage
  readonly #platform: Platform

  constructor(storage: Storage, platform: Platform) {
    this.storage = storage
    this.#platform = platform
  }

  async meta(): Promise<Meta> {
    return await this.storage.read(keys.meta) as Meta | undefined ?? { lamport: 0, journal: "", written: 0, committed: 0, commits: 0, prev: "" }
  }

  async side(name: string): Promise<SideState> {
    return await this.storage.read(keys.side(name)) as SideState | undefined ?? { acked: 0, cursor: null }
  }

  /** One change at a time, over all tabs: whoever holds this reads what is there, decides, and writes once. */
  alone<A>(run: () => Promise<A>): Promise<A> {
    return this.storage.alone(bookLock, async () => {
      const erased = await erasedIn(this.storage)
      if (erased !== undefined) throw isGone(erased)
      return run()
    })
  }

  /** Keep facts about one conversation: stamped, in the journal and in view, all or none. */
  write(names: Names, source: string, subject: string, surface: string, facts: (held: KnownConversation | undefined) => ReadonlyArray<Fact>): Promise<ReadonlyArray<OwnEvent>> {
    return this.alone(async () => {
      await names.learn([subject])
      const key = keys.conversation(names.of(subject))
      let held = await this.storage.read(key) as KnownConversation | undefined
      let meta = await this.meta()
      const events: Array<OwnEvent> = []
      for (const fact of facts(held)) {
        if ("message_id" in fact.data) await names.learn([fact.data.message_id])
        const stamp: Stamp = { lamport: meta.lamport + 1, time: isoTime(this.#platform.now()), source }
        meta = { ...meta, journal: meta.journal === "" ? v7() : meta.journal, lamport: stamp.lamport, written: meta.written + 1 }
        const event: OwnEvent = { seq: meta.written, id: v7(), subject: held?.id ?? subject, surface, stamp, fact }
        held = withOwn(held, event, names.of)
        events.push(event)
      }
      await this.storage.write([[keys.meta, meta], [key, held], ...events.map((event): Entry => [keys.own(event.seq), event])])
      return events
    })
  }

  /** Take in what a backend answered: its changes, how far they go, the settings, and what of ours it has. */
  take(names: Names, side: "local" | "hosted", answer: { readonly changes: ReadonlyArray<Change>; readonly cursor: string; readonly settings: Settings }): Promise<number> {
    return this.alone(async () => {
      const meta = await this.meta()
      let lamport = meta.lamport
      const entries: Array<Entry> = []
      for (const change of answer.changes) {
        await names.learn([change.conversation_id, ...change.messages.map(({ id }) => id)])
        const key = keys.conversation(names.of(change.conversation_id))
        entries.push([key, withChange(await this.storage.read(key) as KnownConversation | undefined, change, side, names.of)])
        lamport = Math.max(lamport, change.stamp.lamport, ...change.messages.map(({ stamp }) => stamp.lamport))
      }
      const state = await this.side(side)
      await this.storage.write([...entries, [keys.meta, { ...meta, lamport }], [keys.settings, answer.settings], [keys.side(side), { ...state, cursor: answer.cursor }]])
      return answer.changes.length
    })
  }

  /** Learn how far the messages of a conversation have come. Answers whether any came further. */
  placed(names: Names, id: string, messages: ReadonlyArray<Placed>): Promise<boolean> {
    return this.alone(async () => {
      await names.learn(messages.map((message) => message.id))
      const key = keys.conversation(names.of(id))
      const held = await this.storage.read(key) as KnownConversation | undefined
      if (held === undefined) return false
      const moved = messages.flatMap(({ id: message, source_backend_id, tier, version }): ReadonlyArray<readonly [string, KnownMessage]> => {
        const known = held.messages[names.of(message)]
        // of this very write, not of one that came before or after it
        if (known === undefined || known.stamp.lamport !== version || known.stamp.source !== source_backend_id || further(known.reached, tier) === known.reached) return []
        return [[names.of(message), { ...known, reached: tier }]]
      })
      if (moved.length > 0) await this.storage.write([[key, { ...held, messages: { ...held.messages, ...Object.fromEntries(moved) } }]])
      return moved.length > 0
    })
  }

  async settings(): Promise<Settings | undefined> {
    return await this.storage.read(keys.settings) as Settings | undefined
  }

  /** Visible conversations, the one written to last first. */
  async conversations(): Promise<ReadonlyArray<KnownConversation>> {
    const all = (await this.storage.list("conversation/")).map(([, value]) => value as KnownConversation)
    return all.filter((conversation) => !isHidden(conversation)).sort((a, b) => b.stamp.lamport - a.stamp.lamport || (a.id < b.id ? -1 : 1))
  }

  async conversation(names: Names, id: string): Promise<KnownConversation | undefined> {
    await names.learn([id])
    const held = await this.storage.read(keys.conversation(names.of(id))) as KnownConversation | undefined
    return held === undefined || isHidden(held) ? undefined : held
  }

  async commitsAfter(n: number, max: number): Promise<ReadonlyArray<KeptCommit>> {
    const { commits } = await this.meta()
    const kept: Array<KeptCommit> = []
    for (let at = n + 1; at <= commits && kept.length < max; at++) {
      const commit = await this.storage.read(keys.commit(at)) as KeptCommit | undefined
      if (commit !== undefined) kept.push(commit)
    }
    return kept
  }
}
