import { Effect, Option } from "effect"
import type { StreamDefinition } from "../../streams/definitions.ts"
import type { Check } from "../../streams/Observing.ts"
import type { Wire } from "./connect.ts"
import { differences, findStream } from "./provision.ts"
import { replicasOf } from "./replicas.ts"
import { type ProvisionOptions, toJetStream } from "./toJetStream.ts"

/** Is each stream there, and as its row says? Somebody may have changed it by hand since the start. */
export const compareStreams = (wire: Wire, rows: ReadonlyArray<StreamDefinition>, options: ProvisionOptions): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.map(Effect.forEach(rows, (row) => Effect.all([settingsOf(wire, row, options), ...options.replicas === 1 ? [] : [copiesOf(wire, row)]]), { concurrency: 4 }), (checks) => checks.flat())

const settingsOf = (wire: Wire, row: StreamDefinition, options: ProvisionOptions): Effect.Effect<Check> =>
  findStream(wire, row.name).pipe(
    Effect.map((found): Check => {
      const name = `stream ${row.name}`
      if (Option.isNone(found)) return { level: "fail", name, detail: "is not there: somebody deleted it", todo: "Start the backend again: it makes the stream anew and fetches what others have." }
      const changed = differences(found.value.config, toJetStream(row, options))
      return changed.length === 0
        ? { level: "ok", name, detail: "set up as it should be" }
        : { level: "warn", name, detail: `has other settings than its row: ${changed.join(", ")}`, todo: "Start the backend again: it brings them into line." }
    }),
    Effect.orElseSucceed((): Check => ({ level: "fail", name: `stream ${row.name}`, detail: "nats-server does not answer", todo: "See its log, nats/nats-server.log, and whether the disk is full." })))

/** Of a cluster: does every server hold what its leader holds? */
const copiesOf = (wire: Wire, { name: stream }: StreamDefinition): Effect.Effect<Check> => {
  const name = `copies of ${stream}`
  return replicasOf(wire, stream).pipe(
    Effect.map(({ behind, leader, whole }): Check =>
      whole
        ? { level: "ok", name, detail: `whole on every server, led by ${leader}` }
        : { level: "warn", name, detail: leader === null ? "a leader is being chosen" : `led by ${leader}; away or behind: ${behind.join(", ")}`, todo: "See whether that nats-server runs, and its log; it catches up by itself. `maestra hosted cluster status` shows all." }),
    Effect.orElseSucceed((): Check => ({ level: "warn", name, detail: "nobody answers for it: most of the cluster's servers are away", todo: "Start the nats-servers again; what was acknowledged is on their disks." })))
}
