import { Effect, Result, Schema } from "effect"
import { join } from "node:path"
import { RegisterPeer } from "../../streams/Registration.ts"
import { Identity } from "../../streams/events/peer.ts"
import type { AuthorKey } from "../security/AuthorKeys.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** The list of companions cannot be read or written. Their commits are safe in the journal; nothing new was taken from them. */
export class CompanionsUnreadable extends Schema.TaggedError<CompanionsUnreadable>()("CompanionsUnreadable", { file: Schema.String, hint: Schema.String }) {}

/** A phone or a browser that registered at this machine. */
const Companion = Schema.Struct({
  backend_id: Schema.String,
  peer_id: Schema.String,
  identity: Identity,
  expires_at: Schema.String,
  /** Its registration as it came, while the hosted side has not taken it: the same one is good there too. */
  forward: Schema.optionalKey(RegisterPeer)
})
export type Companion = typeof Companion.Type

/** The companions of this machine, one file in its data directory, readable by its owner alone. */
export interface CompanionStore {
  readonly of: (peer: string) => Companion | undefined
  readonly all: () => ReadonlyArray<Companion>
  readonly keep: (companion: Companion) => Effect.Effect<void, CompanionsUnreadable>
  readonly forgetAll: Effect.Effect<void, CompanionsUnreadable>
}

/** The keys a companion signs with, oldest first: as its identity here tells them, and as the log does, which may know of a later rotation. */
export const keysOfCompanion = ({ identity }: Pick<Companion, "identity">, pinned: ReadonlyArray<AuthorKey>): ReadonlyArray<AuthorKey> => {
  const told = keysOfIdentity(identity)
  const end = (id: string) => [...told, ...pinned].find(({ keyId, until }) => keyId === id && until !== undefined)?.until
  return [...told, ...pinned.filter(({ keyId }) => !told.some((key) => key.keyId === keyId))].map(({ keyId, publicKey }) => {
    const until = end(keyId)
    return { keyId, publicKey, ...(until === undefined ? {} : { until }) }
  })
}

const List = Schema.fromJsonString(Schema.Array(Companion))

export const openCompanions = Effect.fn("openCompanions")(function*(dataDir: string): Effect.fn.Return<CompanionStore, CompanionsUnreadable> {
  const file = join(dataDir, "companions.json")
  const unreadable = () => new CompanionsUnreadable({ file, hint: `${file} is damaged or cannot be written. Put a copy back, or remove it: companions then register again by themselves.` })
  const text = yield* Effect.tryPromise({
    try: async () => (await readIfThere(file)) ?? "[]",
    catch: unreadable
  })
  const read = Schema.decodeResult(List)(text)
  if (Result.isFailure(read)) return yield* unreadable()
  const known = new Map(read.success.map((companion) => [companion.peer_id, companion] as const))
  return {
    forgetAll: Effect.suspend(() => {
      known.clear()
      return Effect.tryPromise({ try: () => replaceFile(file, "[]\n"), catch: unreadable })
    }),
    of: (peer) => known.get(peer),
    all: () => [...known.values()],
    keep: (companion) =>
      Effect.suspend(() => {
        known.set(companion.peer_id, companion)
        return Effect.tryPromise({ try: () => replaceFile(file, `${JSON.stringify([...known.values()])}\n`), catch: unreadable })
      })
  }
})
