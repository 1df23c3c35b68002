import { Duration, Effect } from "effect"
import { streams } from "../../../streams/definitions.ts"
import { replicasOf } from "../../nats/replicas.ts"
import { hearDisks } from "../../nats/serverDisks.ts"
import { bucket } from "../Base.ts"
import { connectTo } from "./connecting.ts"
import { ClusterRefused, type ClusterLayout, logsIn } from "./layout.ts"

/** Whoever watches a disk tells of it every second. */
const tellingMax = Duration.millis(1500)

/** Everything that is kept three times: a server whose disk is to be replaced may hold the only whole copy of any of it. */
const keptByAll = [streams.telemetry.name, streams.audit.name, streams.alerts.name, `KV_${bucket}`]

/** Where the copies of every stream are: one server may go when all of them are whole. */
export const clusterStatus = Effect.fn("cluster.status")(function*(dir: string, layout: ClusterLayout) {
  const { wire } = yield* connectTo(dir, layout, "cluster status")
  const { servers } = yield* hearDisks(wire)
  const streams = yield* Effect.forEach([...logsIn(layout), ...keptByAll], (stream) =>
    replicasOf(wire, stream).pipe(Effect.orElseSucceed(() => ({ stream, leader: null, behind: [], whole: false }))), { concurrency: 8 })
  yield* Effect.sleep(tellingMax)
  return { disks: yield* servers, whole: streams.every(({ whole }) => whole), streams }
}, Effect.scoped, Effect.mapError((error) => new ClusterRefused({ why: error._tag, hint: "hint" in error ? error.hint : error.message })))
