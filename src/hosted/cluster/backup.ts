import { Effect } from "effect"
import type { Wired } from "../../nats/connect.ts"
import { backupPart, backupPlan } from "../backup.ts"
import { joinedMark } from "../LogMark.ts"
import type { Deployment } from "../Deployment.ts"
import { logsOf } from "../Partitions.ts"
import type { ClusterLayout } from "./layout.ts"

/**
 * What a backup of a cluster is read from: its servers, and the folder that `init` made, where the deployment's keys are.
 * Nothing stops meanwhile, and neither the admin role nor a hosted process needs to run.
 */
export const openClusterBackup = Effect.fn("cluster.backup")(function*(dir: string, wire: Wired, deployment: Deployment, layout: ClusterLayout) {
  // each partition has an identity of its own, which its stream carries; the set is named after the first
  const marks = yield* Effect.forEach(logsOf(wire, layout.partitions), joinedMark)
  const context = {
    service: wire,
    dataDir: dir,
    backendId: deployment.identity.identity.backend_id,
    logIdentity: () => ({ id: marks[0]!.log_id, epoch: Math.max(...marks.map(({ log_epoch }) => log_epoch)) }),
    serverVersion: wire.nats.info?.version ?? "",
    adminRole: true
  }
  return { plan: backupPlan(context), part: (name: string) => backupPart(context, name) }
})
