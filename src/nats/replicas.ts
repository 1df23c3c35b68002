import { Effect, Schema } from "effect"
import type { Wire } from "./connect.ts"
import type { LogUnavailable } from "./EventLog.ts"
import { api } from "./jetStreamApi.ts"
import { unavailable } from "./orderedReader.ts"

/** Where a stream's copies are. `whole` when there is a leader and every copy holds what it holds. */
export interface Replicas {
  readonly stream: string
  /** The server that orders its writes; `null` while one is being chosen. */
  readonly leader: string | null
  /** Everybody who has a copy, sorted. */
  readonly servers: ReadonlyArray<string>
  readonly behind: ReadonlyArray<string>
  readonly whole: boolean
}

export const replicasOf = (wire: Wire, stream: string): Effect.Effect<Replicas, LogUnavailable> =>
  api(wire, `STREAM.INFO.${stream}`, undefined, Info).pipe(
    Effect.map(({ cluster: { leader = "", replicas = [] } }) => {
      const behind = replicas.filter(({ current, offline }) => !current || offline === true).map(({ name }) => name)
      const servers = [...leader === "" ? [] : [leader], ...replicas.map(({ name }) => name)].sort()
      return { stream, leader: leader === "" ? null : leader, servers, behind, whole: leader !== "" && behind.length === 0 }
    }),
    Effect.mapError(unavailable(stream)))

const Info = Schema.Struct({
  cluster: Schema.Struct({
    leader: Schema.optionalKey(Schema.String),
    replicas: Schema.optionalKey(Schema.Array(Schema.Struct({ name: Schema.String, current: Schema.Boolean, offline: Schema.optionalKey(Schema.Boolean) })))
  })
})
