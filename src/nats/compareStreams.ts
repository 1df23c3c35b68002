import { Effect, Option } from "effect"
import type { StreamDefinition } from "../../streams/definitions.ts"
import type { Check } from "../../streams/Observing.ts"
import type { Wire } from "./connect.ts"
import { differences, findStream } from "./provision.ts"
import { type ProvisionOptions, toJetStream } from "./toJetStream.ts"

/** Is each stream there, and as its row says? Somebody may have changed it by hand since the start. */
export const compareStreams = (wire: Wire, rows: ReadonlyArray<StreamDefinition>, options: ProvisionOptions): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.forEach(rows, (row) =>
    findStream(wire, row.name).pipe(
      Effect.map((found): Check => {
        const name = `stream ${row.name}`
        if (Option.isNone(found)) return { level: "fail", name, detail: "is not there: somebody deleted it", todo: "Start the backend again: it makes the stream anew and fetches what others have." }
        const changed = differences(found.value.config, toJetStream(row, options))
        return changed.length === 0
          ? { level: "ok", name, detail: "as its row says" }
          : { level: "warn", name, detail: `has other settings than its row: ${changed.join(", ")}`, todo: "Start the backend again: it brings them into line." }
      }),
      Effect.orElseSucceed((): Check => ({ level: "fail", name: `stream ${row.name}`, detail: "nats-server does not answer", todo: "See its log, nats/nats-server.log, and whether the disk is full." }))),
    { concurrency: 4 })
