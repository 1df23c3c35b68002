import { Effect, Layer } from "effect"
import { conversations } from "../../projections/conversations/projection.ts"
import { peers } from "../../projections/peers/projection.ts"
import { Projections } from "../../projections/runner.ts"
import { settings } from "../../projections/settings/projection.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { allHeads, allKeys } from "../../projections/syncState/places.ts"
import { syncState } from "../../projections/syncState/projection.ts"
import type { AuthorEntry } from "../security/AuthorKeys.ts"
import type { ChainHead } from "../security/LogReader.ts"

/** The read models of one hosted process, in one file that may be deleted at any time. */
export const projectionsLayer = (path: string) =>
  Projections.layer([conversations, peers, settings, syncState]).pipe(Layer.provideMerge(Sqlite.layer({ path })))

/** Chain heads and pinned keys of every tenant: what reading the log goes on from. */
export const remembered = Effect.gen(function*() {
  const heads = yield* allHeads
  const keys = yield* allKeys
  return {
    heads: heads.map((row): readonly [string, string, ChainHead] => [row.tenant, row.author, row]),
    keys: keys.flatMap(({ author, keys, state, tenant }): ReadonlyArray<readonly [string, string, AuthorEntry]> => {
      const backendId = state.first?.value.backend_id
      return backendId === undefined ? [] : [[tenant, author, {
        backendId,
        keys: keys.flatMap((key) => key.public_key === null ? [] : [{ keyId: key.key_id, publicKey: key.public_key, ...(key.grace_ends_at === null ? {} : { until: key.grace_ends_at }) }])
      }]]
    })
  }
})
