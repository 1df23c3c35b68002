import { v7 } from "uuid"
import { gate } from "../../privacy/gate.ts"
import type { Settings } from "../../../streams/events/settings.ts"
import { commitEventsMax, commitMaxBytes } from "../../../streams/limits.ts"
import { isoTime } from "../../../streams/time.ts"
import { utf8 } from "../../security/portable/bytes.ts"
import { readRecord, recordDigest, signCommit } from "../../security/portable/commit.ts"
import { digestOf, idsDigest } from "../../security/portable/digest.ts"
import { type DataKey, seal } from "../../security/portable/sealing.ts"
import { type Book, bookKeys, type KeptCommit, type Meta, type SideState } from "./Book.ts"
import type { OwnEvent } from "./model.ts"
import type { Names } from "./Names.ts"
import type { Entry } from "./storage.ts"

/** What a commit is made with. */
export interface Maker {
  readonly book: Book
  readonly names: Names
  readonly author: string
  readonly keyId: string
  readonly signingKey: CryptoKey
  /** Seals new events: the tenant's newest. */
  readonly dataKey: DataKey
  readonly now: () => number
}

/** Data is stored as the first version of each type; `test/property/sdk/envelope.test.ts` holds this to the catalogue. */
export const dataschemaOf = (type: OwnEvent["fact"]["type"]): string => `maestra:${type}:1`

/** The CloudEvent as it leaves, or why it stays here for good, or why nothing may leave now. */
const outgoing = async ({ dataKey, names }: Maker, event: OwnEvent, settings: Settings): Promise<{ readonly text: string } | { readonly stays: string } | { readonly stop: string }> => {
  if (event.aside !== undefined) return { stays: event.aside }
  const { fact, id, stamp, subject, surface } = event
  const envelope = {
    specversion: "1.0" as const, id, type: fact.type, dataschema: dataschemaOf(fact.type), ...{ source: stamp.source, time: stamp.time }, subject, lamport: stamp.lamport, surface,
    datacontenttype: "application/json" as const, data: fact.data
  }
  await names.learn([subject, ..."message_id" in fact.data ? [fact.data.message_id] : []])
  const verdict = gate({ opened: { envelope, fact }, settings, shareId: names.of })
  if (verdict._tag === "stop") return { stop: verdict.why }
  if (verdict._tag === "withhold") return { stays: verdict.why }
  const data = await seal(dataKey, JSON.stringify(verdict.fact.data))
  return { text: JSON.stringify({ ...envelope, subject: verdict.subject, surface: verdict.surface, datacontenttype: "application/jose", data }) }
}

/**
 * Make commits of what was written and not yet committed: gated by the settings last heard of, sealed, signed, chained.
 * Before any were heard of nothing is made, because nobody knows what may leave.
 * A commit is kept before it is sent anywhere, so every backend gets the very same one.
 */
export const makeCommits = (maker: Maker): Promise<void> =>
  maker.book.alone(async () => {
    const settings = await maker.book.settings()
    if (settings === undefined) return
    for (;;) {
      const meta = await maker.book.meta()
      if (meta.committed >= meta.written || !(await makeOne(maker, meta, settings))) return
    }
  })

const makeOne = async (maker: Maker, meta: Meta, settings: Settings): Promise<boolean> => {
  const { book, now } = maker
  const ids: Array<string> = []
  const events: Array<string> = []
  let bytes = 0
  for (let seq = meta.committed + 1; seq <= meta.written && events.length < commitEventsMax; seq++) {
    const event = await book.storage.read(bookKeys.own(seq)) as OwnEvent
    const out = await outgoing(maker, event, settings)
    if ("stop" in out) break
    if ("text" in out) {
      const size = utf8(out.text).length
      if (events.length > 0 && bytes + size > commitMaxBytes) break
      bytes += size
      events.push(out.text)
    }
    ids.push(event.id)
  }
  if (ids.length === 0) return false
  const to = meta.committed + ids.length
  const record = await signCommit({
    author: maker.author, key_id: maker.keyId, sync_id: v7(), journal: meta.journal, from: meta.committed + 1, to,
    ids: await idsDigest(ids), hashes: await Promise.all(events.map((event) => digestOf(event))), prev: meta.prev,
    seen: { log_seq: 0, head: "" }, time: isoTime(now())
  }, maker.signingKey)
  const digest = await recordDigest(record)
  const n = meta.commits + 1
  const kept: KeptCommit = { n, record, events, digest, journal: meta.journal, to }
  await book.storage.write([[bookKeys.commit(n), kept], [bookKeys.meta, { ...meta, committed: to, commits: n, prev: digest } satisfies Meta]])
  return true
}

/** Take back the commits behind `n`, which no log holds: they are made anew, as settings and events are now. */
export const rewind = (book: Book, n: number, sides: ReadonlyArray<string>, aside?: { readonly eventId: string; readonly why: string }): Promise<void> =>
  book.alone(async () => {
    const meta = await book.meta()
    const last = n === 0 ? undefined : await book.storage.read(bookKeys.commit(n)) as KeptCommit | undefined
    if (n > 0 && last === undefined) return
    const taken = await book.commitsAfter(n, meta.commits - n)
    // a side that took one before the other refused it will name it as its head until it has set it aside
    const removed = taken.flatMap((commit): ReadonlyArray<Entry> => [[bookKeys.commit(commit.n), undefined], [bookKeys.takenBack(commit.digest), commit]])
    const states = await Promise.all(sides.map(async (name): Promise<Entry> => {
      const state = await book.side(name)
      return [bookKeys.side(name), { ...state, acked: Math.min(state.acked, n) } satisfies SideState]
    }))
    const marked = aside === undefined ? [] : await eventMarked(book, aside)
    await book.storage.write([...removed, ...states, ...marked, [bookKeys.meta, { ...meta, commits: n, committed: last?.to ?? 0, prev: last?.digest ?? "" } satisfies Meta]])
  })

const eventMarked = async (book: Book, { eventId, why }: { readonly eventId: string; readonly why: string }): Promise<ReadonlyArray<Entry>> =>
  (await book.storage.list("own/")).filter(([, value]) => (value as OwnEvent).id === eventId).map(([key, value]) => [key, { ...value as OwnEvent, aside: why }])

/**
 * The log knows a head this storage does not: it was lost or restored from a copy. A new journal goes on from that head
 * and sends everything kept here again; events the log has already are recognised by their ids.
 */
export const reopen = (book: Book, head: string, sides: ReadonlyArray<string>): Promise<boolean> =>
  book.alone(async () => {
    const meta = await book.meta()
    const record = readRecord(head)
    if (record === undefined) return false
    const removed = (await book.storage.list("commit/")).map(([key]): Entry => [key, undefined])
    const states = await Promise.all(sides.map(async (name): Promise<Entry> => [bookKeys.side(name), { ...await book.side(name), acked: 0 } satisfies SideState]))
    await book.storage.write([...removed, ...states, [bookKeys.meta, { ...meta, journal: v7(), commits: 0, committed: 0, prev: await recordDigest(head) } satisfies Meta]])
    return true
  })

/** The commit that was made here and taken back, where this head is one. */
export const takenBack = async (book: Book, head: string): Promise<KeptCommit | undefined> =>
  await book.storage.read(bookKeys.takenBack(await recordDigest(head))) as KeptCommit | undefined

/**
 * A log holds a commit that was taken back: a request that was on its way all the time. It stands, with those before it,
 * and the chain goes on from it; what was made in their place since is taken back instead.
 */
export const adopt = (book: Book, commit: KeptCommit, side: string, sides: ReadonlyArray<string>): Promise<void> =>
  book.alone(async () => {
    const meta = await book.meta()
    const chain = [commit, ...await takenBackBefore(book, commit)].reverse()
    const from = commit.n - chain.length + 1
    const since = await book.commitsAfter(from - 1, Math.max(0, meta.commits - from + 1))
    const removed = since.flatMap((made): ReadonlyArray<Entry> => [[bookKeys.commit(made.n), undefined], [bookKeys.takenBack(made.digest), made]])
    const stands = chain.flatMap((one): ReadonlyArray<Entry> => [[bookKeys.takenBack(one.digest), undefined], [bookKeys.commit(one.n), one]])
    const states = await Promise.all(sides.map(async (name): Promise<Entry> => {
      const state = await book.side(name)
      return [bookKeys.side(name), { ...state, acked: name === side ? commit.n : Math.min(state.acked, from - 1) } satisfies SideState]
    }))
    await book.storage.write([...removed, ...states, ...stands, [bookKeys.meta, { ...meta, journal: commit.journal, commits: commit.n, committed: commit.to, prev: commit.digest } satisfies Meta]])
  })

/** Those it follows that were taken back too, newest first. */
const takenBackBefore = async (book: Book, commit: KeptCommit): Promise<ReadonlyArray<KeptCommit>> => {
  const prev = readRecord(commit.record)?.prev ?? ""
  const before = prev === "" ? undefined : await book.storage.read(bookKeys.takenBack(prev)) as KeptCommit | undefined
  return before === undefined ? [] : [before, ...await takenBackBefore(book, before)]
}

/** Where a head stands among the commits kept here: its number, 0 for none yet, `undefined` where it is unknown. */
export const placeOf = async (book: Book, head: string | null): Promise<number | undefined> => {
  if (head === null) return 0
  const digest = await recordDigest(head)
  const kept = (await book.storage.list("commit/")).map(([, value]) => value as KeptCommit)
  return kept.find((commit) => commit.digest === digest)?.n
}
