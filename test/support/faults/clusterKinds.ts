import type { Cluster, Part } from "../cluster.ts"
import { until } from "../world.ts"
import type { Isolation } from "./line.ts"
import type { Dice } from "./load.ts"

/** What a fault of a cluster may use. */
export interface ClusterStruck {
  readonly cluster: Cluster
  /** Its servers, the hosted processes, the admin role. */
  readonly parts: ReadonlyArray<Part>
  /** Only where the run has a network of its own. */
  readonly isolation: Isolation | undefined
  readonly dice: Dice
  readonly sleep: (ms: number) => Promise<void>
}

/** One kind of fault of a cluster: a row. What strikes undoes itself before it returns, and leaves every copy of the log whole where it took one away. */
export interface ClusterKind {
  readonly kind: string
  readonly weight: number
  /** Only where there is a network of the run's own. */
  readonly needsLine?: true
  /** Says what it did. */
  readonly strike: (struck: ClusterStruck) => Promise<string>
}

/** A minority may fail: the next server goes when the one before it holds everything again. Milliseconds. */
const wholeWithinMs = 180_000

const whole = (cluster: Cluster) => until(() => cluster.whole().then(() => true, () => false), wholeWithinMs, () => "the copies of the log do not become whole again")

export const clusterKinds: ReadonlyArray<ClusterKind> = [
  { kind: "kill", weight: 4, strike: async ({ dice, parts, sleep }) => {
    const part = dice.pick(parts)
    await part.kill()
    await sleep(200 + dice.below(2500))
    await part.start()
    return `killed ${part.name}`
  } },
  { kind: "disk", weight: 1, strike: async ({ cluster, dice, sleep }) => {
    const server = dice.pick(cluster.servers)
    await whole(cluster)
    await server.kill()
    server.wipe()
    await sleep(200 + dice.below(2500))
    await server.start()
    await whole(cluster)
    return `${server.name} lost its disk`
  } },
  { kind: "partition", weight: 2, needsLine: true, strike: async ({ cluster, dice, isolation, sleep }) => {
    const server = dice.pick(cluster.servers)
    const holdMs = 2000 + dice.below(18_000)
    const undo = isolation!.cutOff(server.uid)
    await sleep(holdMs)
    undo()
    await whole(cluster)
    return `${server.name} cut off for ${holdMs} ms`
  } }
]
