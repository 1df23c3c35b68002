import { Effect, Layer } from "effect"
import { conversations } from "../../projections/conversations/projection.ts"
import { peers } from "../../projections/peers/projection.ts"
import { Projections } from "../../projections/runner.ts"
import { settings } from "../../projections/settings/projection.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { allAuthors, allHeads } from "../../projections/syncState/places.ts"
import { syncState } from "../../projections/syncState/projection.ts"

/** The read models of one hosted process, in one file that may be deleted at any time. */
export const projectionsLayer = (path: string) =>
  Projections.layer([conversations, peers, settings, syncState]).pipe(Layer.provideMerge(Sqlite.layer({ path })))

/** Chain heads and pinned keys of every tenant: what reading the log goes on from. */
export const remembered = Effect.all({ heads: allHeads, keys: allAuthors })
