import { Effect, Layer } from "effect"
import { allProjections } from "../../projections/projections.ts"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { allAuthors, allHeads } from "../../projections/syncState/places.ts"

/** The read models of one hosted process, in one file that may be deleted at any time. */
export const projectionsLayer = (path: string) =>
  Projections.layer(allProjections).pipe(Layer.provideMerge(Sqlite.layer({ path })))

/** Chain heads and pinned keys of every tenant: what reading the log goes on from. */
export const remembered = Effect.all({ heads: allHeads, keys: allAuthors })
