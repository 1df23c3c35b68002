import { Effect, Option, Result, Stream } from "effect"
import { subjects } from "../../streams/subjects.ts"
import type { EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import { type AuthorKey } from "../security/AuthorKeys.ts"
import { parseCommit, verifyCommit } from "../security/commit.ts"
import type { Head } from "../security/admit.ts"

/** An author's place in the log: its last valid record, and the fence (the subject's last sequence, whatever lies there). */
export interface Place {
  readonly head: Head | undefined
  readonly fence: number
}

/** Where each author's chain stands, read from the stream's leader and remembered until somebody else moves it. */
export interface Heads {
  readonly peek: (tenant: string, author: string) => Place | undefined
  readonly read: (tenant: string, author: string, keys: ReadonlyArray<AuthorKey>) => Effect.Effect<Place, LogUnavailable>
  readonly moved: (tenant: string, author: string, place: Place) => void
  readonly forget: () => void
}

/** Chains remembered at once; the least recently used goes first. About 2 KiB each. */
const rememberedMax = 50_000

export const makeHeads = (log: EventLog): Heads => {
  const known = new Map<string, Place>()
  const keep = (chain: string, place: Place) => {
    known.delete(chain)
    known.set(chain, place)
    if (known.size > rememberedMax) known.delete(known.keys().next().value!)
  }
  return {
    peek: (tenant, author) => known.get(`${tenant}.${author}`),
    read: (tenant, author, keys) =>
      Effect.gen(function*() {
        const subject = subjects.logCommit(tenant, author)
        const last = yield* log.last(subject)
        const fence = Option.match(last, { onNone: () => 0, onSome: ({ seq }) => seq })
        const head = Option.isNone(last) ? undefined : headFrom(last.value, keys) ?? (yield* lastValid(log, subject, fence, keys))
        const place = { head, fence }
        keep(`${tenant}.${author}`, place)
        return place
      }),
    moved: (tenant, author, place) => keep(`${tenant}.${author}`, place),
    forget: () => known.clear()
  }
}

/** Each tenant's chains stand in its own partition. */
export const headsAcross = (all: ReadonlyArray<Heads>, indexOf: (tenant: string) => number): Heads => ({
  peek: (tenant, author) => all[indexOf(tenant)]!.peek(tenant, author),
  read: (tenant, author, keys) => all[indexOf(tenant)]!.read(tenant, author, keys),
  moved: (tenant, author, place) => all[indexOf(tenant)]!.moved(tenant, author, place),
  forget: () => all.forEach((heads) => heads.forget())
})

/** Somebody with access to the store spoiled the last record: look for the last one that holds. Rare, so a full read. */
const lastValid = (log: EventLog, subject: string, through: number, keys: ReadonlyArray<AuthorKey>) =>
  log.readRange({ from: 1, through, filter: subject }).pipe(
    Stream.runFold((): Head | undefined => undefined, (held, batch) =>
      batch.reduce<Head | undefined>((head, stored) => headFrom(stored, keys) ?? head, held)))

const headFrom = (stored: Stored, keys: ReadonlyArray<AuthorKey>): Head | undefined => {
  const parsed = parseCommit(stored.data)
  if (Result.isFailure(parsed)) return undefined
  const { digest, record } = parsed.success
  const key = keys.find((candidate) => candidate.keyId === record.key_id)
  return key !== undefined && verifyCommit(parsed.success, key.publicKey) ? headOf(record, digest, stored.seq, stored.data) : undefined
}

export const headOf = (record: { readonly journal: string; readonly from: number; readonly to: number; readonly ids: string }, digest: string, seq: number, bytes: Uint8Array): Head => ({
  digest,
  journal: record.journal,
  from: record.from,
  to: record.to,
  ids: record.ids,
  seq,
  // a copy: what came is a view into the whole commit, megabytes that would stay as long as the head is remembered
  bytes: Uint8Array.from(bytes)
})
