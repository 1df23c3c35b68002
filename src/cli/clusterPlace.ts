import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { homedir } from "node:os"
import { join } from "node:path"
import { type ClusterLayout, layoutAcross, layoutHere, serverCount } from "../hosted/cluster/layout.ts"
import { type CliFailure, failed, misused, notReachable } from "./failure.ts"
import { freePorts } from "./serving/ports.ts"
import { notStarted } from "./serving/serve.ts"
import { dataDirOr } from "./settings.ts"

const portsPerServer = 3

/** `<data dir>/cluster`. */
export const clusterDir = Effect.map(dataDirOr(join(homedir(), ".8825")), (dir) => join(dir, "cluster"))

export const hostFlag = Flag.String("host").pipe(
  Flag.withDescription("A machine of its own for each server: give it three times. Without it all three run here, to try it out"),
  Flag.atLeast(0))

/** Where the servers are to be: on the machines named, or here, on ports that are free now. */
export const layoutOn = Effect.fnUntraced(function*(hosts: ReadonlyArray<string>) {
  const [a, b, c, ...more] = hosts
  if (a !== undefined && (b === undefined || c === undefined || more.length > 0)) {
    return yield* misused("hosts", `a cluster has ${serverCount} servers; got ${hosts.length} hosts`, "Give --host three times, or not at all.")
  }
  if (a !== undefined && b !== undefined && c !== undefined) return (partitions: number): ClusterLayout => layoutAcross(partitions, [a, b, c])
  const ports = yield* freePorts(portsPerServer * serverCount)
  return (partitions: number): ClusterLayout => layoutHere(partitions, ports)
})

/** Why a cluster could not be asked. `what` was not done: "nothing was saved". */
export const notAsked = (what: string) => (error: { readonly _tag: string }): CliFailure => {
  if (error._tag === "ConnectFailed" || error._tag === "LogUnavailable") {
    return notReachable("cluster-unreachable", `the cluster's servers do not answer; ${what}`, "Start them with `maestra hosted cluster up`, or their units; `maestra hosted cluster status` says when they are there.")
  }
  const { hint, sentence } = notStarted("hosted", error)
  return failed(error._tag === "ClusterRefused" ? "not-whole" : error._tag, sentence.replace("the hosted backend did not start", what), hint)
}
