import { Duration, Effect } from "effect"
import { replicasOf } from "../../nats/replicas.ts"
import { hearDisks } from "../../nats/serverDisks.ts"
import { connectTo } from "./connecting.ts"
import { keptByAll } from "./keptByAll.ts"
import type { ClusterLayout } from "./layout.ts"

/** Whoever watches a disk tells of it every second. */
const tellingMax = Duration.millis(1500)

/** Where the copies of every stream are: one server may go when all of them are whole. */
export const clusterStatus = Effect.fn("cluster.status")(function*(dir: string, layout: ClusterLayout) {
  const { wire } = yield* connectTo(dir, layout, "cluster status")
  const { servers } = yield* hearDisks(wire)
  const streams = yield* Effect.forEach(keptByAll(layout), (stream) =>
    replicasOf(wire, stream).pipe(Effect.orElseSucceed(() => ({ stream, leader: null, servers: [], behind: [], whole: false }))), { concurrency: 8 })
  yield* Effect.sleep(tellingMax)
  return { disks: yield* servers, whole: streams.every(({ whole }) => whole), streams }
}, Effect.scoped)
