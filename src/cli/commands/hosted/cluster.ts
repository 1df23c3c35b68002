import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { resolve } from "node:path"
import { described, madeLayout, partitionsDefault } from "../../../hosted/cluster/layout.ts"
import { partitionsMax } from "../../../../streams/definitions.ts"
import { clusterDir, hostFlag, layoutOn, notAsked } from "../../clusterPlace.ts"
import { type CliFailure, failed } from "../../failure.ts"
import { commandPrefix } from "../../prefix.ts"
import { answer } from "../../print.ts"
import { prepareFolder } from "../../serving/folder.ts"
import { asText, endsOnSignal, logFlags, logging, logLine, notStarted, stay } from "../../serving/serve.ts"
import { size } from "../../../../streams/size.ts"
import { table } from "../../text.ts"
import { clusterBackup, clusterRestore } from "./clusterBackup.ts"
import { clusterVerify } from "./clusterVerify.ts"

type Described = ReturnType<typeof described>

/** `hosted cluster init`: configurations, keys and `cluster.json`; again changes nothing. */
const init = Command.make(
  "init",
  {
    partitions: Flag.Int("partitions").pipe(
      Flag.filter((count) => count >= 1 && count <= partitionsMax, (count) => `Expected 1 to ${partitionsMax}, got ${count}`),
      Flag.withDescription(`Streams the log is spread over, for good (default ${partitionsDefault})`),
      Flag.optional
    ),
    host: hostFlag
  },
  Effect.fn(function*({ host, partitions }) {
    const dir = yield* clusterDir
    yield* prepareFolder(dir)
    const count = Option.getOrElse(partitions, () => partitionsDefault)
    const wanted = (yield* layoutOn(host))(count)
    const { initCluster } = yield* Effect.promise(() => import("../../../hosted/cluster/init.ts"))
    const made = yield* initCluster(dir, wanted, { partitions: Option.isSome(partitions), hosts: host.length > 0 }).pipe(Effect.mapError((error) => notMade(error)))
    const maestra = yield* commandPrefix
    const told = { ...described(dir, made.layout), changed: made.changed }
    yield* answer(told, () => [
      made.changed ? "the cluster is made" : "there is a cluster here already; nothing was changed", "",
      facts(told), "",
      `next:  ${maestra} hosted cluster up`,
      `then:  ${maestra} hosted up --cluster ${told.cluster_file}    (as many as you like, each with its own --data-dir and the same MAESTRA_MASTER_KEY)`
    ].join("\n"))
  })
).pipe(
  Command.withDescription("Make a JetStream cluster of three servers"),
  Command.withExamples([{ command: "maestra hosted cluster init --host a.example.org --host b.example.org --host c.example.org", description: "Files for three machines" }])
)

const notMade = (error: { readonly _tag: string; readonly hint?: string; readonly why?: string; readonly message: string }): CliFailure =>
  failed(error._tag, `the cluster was not made: ${error.why ?? error.message}`, error.hint ?? "`maestra doctor` looks at what it needs.")

/** `hosted cluster up`: the three servers and the admin role, in the foreground. */
const up = Command.make(
  "up",
  {
    ...logFlags,
    only: Flag.String("only").pipe(Flag.withDescription("Run this part alone: hub-1, hub-2, hub-3 or admin; may be given several times"), Flag.atLeast(0))
  },
  Effect.fn(function*({ only }) {
    const dir = yield* clusterDir
    const layout = yield* madeLayout(dir).pipe(Effect.mapError(({ hint, why }) => failed("no-cluster", why, hint)))
    yield* stay({
      side: "hosted",
      name: "cluster",
      layer: (onBroken) => Layer.unwrap(Effect.map(
        Effect.promise(() => import("../../../hosted/cluster/up.ts")),
        ({ clusterUp }) => clusterUp({ dir, only, onProgress: logLine, onBroken }))),
      failed: (error) => notStarted("hosted", error),
      ready: answer({ ...described(dir, layout), pid: process.pid }, () => ["the cluster is running", "", facts(described(dir, layout)), "", "Ctrl-C stops it."].join("\n"))
    })
  }, (effect, flags) => Effect.provide(effect, logging(flags)))
).pipe(Command.withDescription("Run the cluster's servers and its admin role; Ctrl-C stops them"))

/** `hosted cluster status`: whether every copy of every stream is whole, and a server may go. */
const status = Command.make(
  "status",
  {},
  Effect.fn(function*() {
    const dir = yield* clusterDir
    const layout = yield* madeLayout(dir).pipe(Effect.mapError(({ hint, why }) => failed("no-cluster", why, hint)))
    const { clusterStatus } = yield* Effect.promise(() => import("../../../hosted/cluster/status.ts"))
    const told = yield* clusterStatus(dir, layout).pipe(Effect.mapError(notAsked("its state is not known")))
    yield* answer(told, () => [
      told.whole ? "every copy is whole; one server may be stopped" : "not every copy is whole: stop no server now", "",
      table(told.streams.map(({ behind, leader, stream }) => [`  ${stream}`, leader === null ? "no leader" : `led by ${leader}`, behind.length === 0 ? "" : `behind: ${behind.join(", ")}`])),
      "",
      told.disks.length === 0 ? "nobody watches the servers' disks: run `maestra hosted cluster disk` beside each" : table(told.disks.map(({ free_bytes, server, state }) => [`  ${server}`, `disk ${state}`, free_bytes === null ? "" : `${size(free_bytes)} free`]))
    ].join("\n"))
    const full = told.disks.filter(({ state }) => state === "full").map(({ server }) => server)
    if (full.length > 0) return yield* failed("disk-full", `no room on ${full.join(", ")}: hosted processes refuse writes`, "Make room there; writes are then taken again by themselves. Or stop that server: the two others go on.")
    if (!told.whole) return yield* failed("not-whole", "not every copy is whole", "Wait a moment and ask again; a server that does not come back is started again first.")
  }, Effect.provide(logging(asText)))
).pipe(Command.withDescription("Whether every copy of every stream is whole; exit code 1 where not"))

/** `hosted cluster disk`: beside a server on a machine of its own, so that somebody sees its disk. */
const disk = Command.make(
  "disk",
  { ...logFlags, folder: Flag.String("in").pipe(Flag.withDescription("The server's folder, as `init` made it (hub-1, hub-2 or hub-3)")) },
  Effect.fn(function*({ folder }) {
    yield* endsOnSignal
    yield* Effect.logInfo("watching the server's disk", { folder })
    const { watchDisk } = yield* Effect.promise(() => import("../../../hosted/cluster/watchDisk.ts"))
    return yield* watchDisk(resolve(folder)).pipe(Effect.mapError(({ hint, why }) => failed("not-watched", `the disk is not watched: ${why}`, hint)))
  }, (effect, flags) => Effect.provide(effect, logging(flags)))
).pipe(Command.withDescription("Tell hosted processes how much room this server's disk has; runs beside each server that `up` does not run"))

const facts = (told: Described) =>
  table([
    ["  servers", told.servers.map(({ client_port, host }) => `${host}:${client_port}`).join(", ")],
    ["  leaf nodes", told.leaf_urls.join(", ")],
    ["  partitions", String(told.partitions)],
    ["  file to join by", told.cluster_file],
    ["  data", told.dir]
  ])

/** `hosted cluster …`: a hub of three servers, where one machine is outgrown. */
export const cluster = Command.make("cluster").pipe(
  Command.withDescription("A JetStream cluster of three servers for hosted processes"),
  Command.withSubcommands([init, up, status, clusterVerify, disk, clusterBackup, clusterRestore])
)
