import { Effect, Layer } from "effect"
import { Sqlite } from "../../projections/Sqlite.ts"
import { type Draft, Syncing, type WriteError, Writer, type Written } from "../../streams/Backend.ts"
import { Reads } from "../../src/gateway/Reads.ts"
import { Recording } from "../../src/gateway/Recording.ts"
import { syncer } from "../../src/gateway/sync/run.ts"

/** The gateway's own sync on a backend's parts, for as long as its scope lives. */
export const gatewayOn = (at: {
  readonly sqlite: Sqlite["Service"]
  readonly syncing: Syncing["Service"]
  readonly write: (tenant: string, drafts: ReadonlyArray<Draft>) => Effect.Effect<ReadonlyArray<Written>, WriteError>
  readonly settled: Effect.Effect<void>
}) => {
  const below = Layer.mergeAll(
    Layer.succeed(Sqlite, at.sqlite),
    Layer.succeed(Syncing, at.syncing),
    Layer.succeed(Writer, { named: (_, id) => id, write: at.write, settled: () => at.settled, reach: () => Effect.die(new Error("not part of the simulation")) }))
  return Effect.flatMap(Layer.build(Layer.mergeAll(Reads.layer, Recording.layer).pipe(Layer.provideMerge(below))), (context) => Effect.provideContext(syncer, context))
}
export type Gateway = Effect.Success<ReturnType<typeof gatewayOn>>
