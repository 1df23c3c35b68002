import { Effect, Option, Result, Schema } from "effect"
import { join } from "node:path"
import { logPartitions, partitionsMax } from "../../../streams/definitions.ts"
import type { HubOptions } from "../../nats/hubConfig.ts"
import { readIfThere } from "../../security/readIfThere.ts"

/** One server of a cluster, and where it listens. */
const Server = Schema.Struct({
  name: Schema.String,
  host: Schema.String,
  client_port: Schema.Int,
  route_port: Schema.Int,
  leaf_port: Schema.Int
})
export type ClusterServer = typeof Server.Type

/** What a cluster was made as. Fixed; kept as `layout.json`. */
export const ClusterLayout = Schema.Struct({
  partitions: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: partitionsMax })),
  servers: Schema.NonEmptyArray(Server)
})
export type ClusterLayout = typeof ClusterLayout.Type

/** A file of the cluster cannot be read or written, or says something else than what was asked. Nothing was changed. */
export class ClusterRefused extends Schema.TaggedError<ClusterRefused>()("ClusterRefused", { why: Schema.String, hint: Schema.String }) {}

const LayoutJson = Schema.fromJsonString(ClusterLayout)
export const layoutFile = (dir: string) => join(dir, "layout.json")
const clusterFile = (dir: string) => join(dir, "cluster.json")
export const adminName = "admin"
/** Whoever holds this folder is the admin. */
export const adminFolder = (dir: string): string => join(dir, adminName)

/** None: no cluster was made here yet. */
export const readLayout = Effect.fnUntraced(function*(dir: string) {
  const file = layoutFile(dir)
  const refused = () => new ClusterRefused({ why: `${file} cannot be read`, hint: "Put a copy back; nothing was changed." })
  const text = yield* Effect.tryPromise({
    try: () => readIfThere(file),
    catch: refused
  })
  if (text === undefined) return Option.none<ClusterLayout>()
  const read = Schema.decodeResult(LayoutJson)(text)
  return Result.isSuccess(read) ? Option.some(read.success) : yield* refused()
})

/** Three: a majority is there while one is away. */
export const serverCount = 3
export const replicasOnCluster = 3
/** Enough that leaders spread over the servers, and few enough that each is a Raft group nobody notices. */
export const partitionsDefault = 8

const loopback = "127.0.0.1"
export const isOnThisMachine = ({ servers }: ClusterLayout) => servers.every(({ host }) => host === loopback)

/** Three servers on this machine: the try-out. `ports` are nine free ones. */
export const layoutHere = (partitions: number, ports: ReadonlyArray<number>): ClusterLayout => layoutOf(partitions, [loopback, loopback, loopback], (index) => ({
  client_port: ports[3 * index]!,
  route_port: ports[3 * index + 1]!,
  leaf_port: ports[3 * index + 2]!
}))

/** Three machines, each with NATS's usual ports. */
export const layoutAcross = (partitions: number, hosts: readonly [string, string, string]): ClusterLayout =>
  layoutOf(partitions, hosts, () => ({ client_port: 4222, route_port: 6222, leaf_port: 7422 }))

const layoutOf = (partitions: number, [a, b, c]: readonly [string, string, string], ports: (index: number) => Pick<ClusterServer, "client_port" | "route_port" | "leaf_port">): ClusterLayout => ({
  partitions,
  servers: [{ name: "hub-1", host: a, ...ports(0) }, { name: "hub-2", host: b, ...ports(1) }, { name: "hub-3", host: c, ...ports(2) }]
})

/** Names of the log's streams: what the accounts let across. */
export const logsIn = ({ partitions }: Pick<ClusterLayout, "partitions">) => logPartitions(partitions).map(({ name }) => name)

export const addressesOf = ({ servers }: ClusterLayout) => servers.map(({ client_port, host }) => `${host}:${client_port}`)

/** In the clear only where nothing leaves the machine. */
export const leafUrlsOf = (layout: ClusterLayout) =>
  layout.servers.map(({ host, leaf_port }) => `${isOnThisMachine(layout) ? "nats-leaf" : "tls"}://${host}:${leaf_port}`)

/** Where a machine of its own has a server's keys and keeps its store: as infra/systemd/maestra-hub.service says. */
const machine = { etc: "/run/credentials/maestra-hub.service", data: "/var/lib/maestra-hub" }

/** One server's settings. On this machine its files are in `<dir>/<name>`; on one of its own, where machines keep such things. */
export const serverOptions = (layout: ClusterLayout, dir: string, server: ClusterServer): HubOptions & { readonly accountsFile: string } => {
  const here = isOnThisMachine(layout)
  const own = join(dir, server.name)
  const { data, etc } = here ? { etc: own, data: own } : machine
  const host = here ? loopback : "0.0.0.0"
  return {
    serverName: server.name,
    client: { host, port: server.client_port },
    leaf: { host, port: server.leaf_port },
    storeDir: join(data, "store"),
    jwtDir: join(data, "jwt"),
    accountsFile: "accounts.conf",
    // for hosted processes and local backends, who ask the system's authorities
    ...(here ? {} : { tls: { certFile: join(etc, "tls.crt"), keyFile: join(etc, "tls.key") } }),
    cluster: {
      listen: { host, port: server.route_port },
      routes: layout.servers.map((one) => `nats-route://${one.host}:${one.route_port}`),
      tls: { certFile: join(etc, "route.pem"), keyFile: join(etc, "route.key"), caFile: join(etc, "route-ca.pem") },
      zone: server.name
    }
  }
}

/** The cluster of this folder. */
export const madeLayout = (dir: string): Effect.Effect<ClusterLayout, ClusterRefused> =>
  Effect.flatMap(readLayout(dir), Option.match({
    onNone: () => Effect.fail(new ClusterRefused({ why: `there is no cluster in ${dir}`, hint: "Make one with `maestra hosted cluster init`." })),
    onSome: Effect.succeed
  }))

/** What a person is told of a cluster. */
export const described = (dir: string, layout: ClusterLayout) => ({
  dir,
  cluster_file: clusterFile(dir),
  partitions: layout.partitions,
  servers: layout.servers,
  leaf_urls: leafUrlsOf(layout)
})
