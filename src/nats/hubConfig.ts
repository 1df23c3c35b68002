import { Effect, Schema } from "effect"
import { payloadMaxBytes } from "../../streams/limits.ts"
import { accountJwts, defaultLogs, hubDomain, type Revocations } from "./hubAccounts.ts"
import { type HubSecrets, keyOf } from "./hubSecrets.ts"

/** The hub would be reachable from other machines without encryption. Nothing was written. */
export class HubExposed extends Schema.TaggedError<HubExposed>()("HubExposed", { listener: Schema.String, hint: Schema.String }) {}

interface Listener {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** -1: any free port (another one at every start). */
  readonly port: number
}

/** What a server of a cluster knows of the others. Routes speak TLS with certificates both ways, on loopback too. */
export interface HubCluster {
  readonly listen: Listener
  /** All servers of the cluster, this one among them: `nats-route://host:port`. */
  readonly routes: ReadonlyArray<string>
  /** PEM files; the authority is the cluster's own and vouches for its servers only. */
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string }
  /** Where it stands. The replicas of a stream go to servers of different zones. */
  readonly zone: string
}

export interface HubOptions {
  readonly serverName: string
  /** For hosted processes. */
  readonly client: Listener
  /** For local backends' leaf nodes. */
  readonly leaf: Listener
  /** For leaf nodes through WebSocket, where only 443 passes. */
  readonly webSocket?: Listener
  /** Monitoring over HTTP; always on loopback. None without it. */
  readonly monitorPort?: number
  readonly storeDir: string
  /** Where the server keeps account JWTs, pushed revocations among them. Belongs to the same disk and backup as `storeDir`. */
  readonly jwtDir: string
  /** PEM files, used by every listener that has a host other than loopback; with `leafsToo`, by those for leaf nodes wherever they listen. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly leafsToo?: boolean }
  /** True when a proxy in front of a non-loopback listener speaks TLS. */
  readonly tlsInFront?: boolean
  /** One of several servers that are one hub. */
  readonly cluster?: HubCluster
  readonly logs?: ReadonlyArray<string>
  /** Everything known to be revoked; without it a restart from a lost `jwtDir` would let revoked machines in again. */
  readonly revocations?: Revocations
}

/**
 * The hub's nats-server configuration. It holds JWTs and public keys, no seed: reading it gives nobody
 * a credential. Fails with `HubExposed` before it puts a listener on the network in the clear.
 */
export const renderHubConfig = (secrets: HubSecrets, options: HubOptions): Effect.Effect<string, HubExposed> =>
  Effect.gen(function*() {
    yield* refuseExposed(options)
    return textOf([...serverLines(options), yield* renderAccounts(secrets, options)])
  })

/** The same for one of several servers, with the accounts in a file of their own (`renderAccounts`). */
export const renderServerConfig = (options: HubOptions & { readonly accountsFile: string }): Effect.Effect<string, HubExposed> =>
  Effect.as(refuseExposed(options), textOf([...serverLines(options), `include ${quote(options.accountsFile)}`]))

const refuseExposed = (options: HubOptions): Effect.Effect<void, HubExposed> =>
  Effect.gen(function*() {
    const listeners = { client: options.client, leaf: options.leaf, ...(options.webSocket && { webSocket: options.webSocket }) }
    for (const [name, listener] of Object.entries(listeners)) {
      if (!isLoopback(listener) && options.tls === undefined && options.tlsInFront !== true) {
        return yield* new HubExposed({ listener: `${name} on ${listener.host}`, hint: "Give a certificate and key, or listen on 127.0.0.1 behind a proxy that speaks TLS." })
      }
    }
  })

const textOf = (lines: ReadonlyArray<string>) => [...lines.filter((line) => line !== ""), ""].join("\n")

/**
 * Operator and accounts: the same on every server of a hub. No seed is in it. Write it anew with every revocation:
 * a server that lost its `jwtDir` starts from it.
 */
export const renderAccounts = (secrets: HubSecrets, options: Pick<HubOptions, "logs" | "revocations">): Effect.Effect<string> =>
  Effect.map(accountJwts(secrets, { logs: options.logs ?? defaultLogs, revocations: options.revocations ?? {} }), (jwts) => {
    const publicKey = { system: publicOf(secrets.system), store: publicOf(secrets.store), peers: publicOf(secrets.peers) }
    return [
      `operator: ${jwts.operator}`,
      `system_account: ${publicKey.system}`,
      `resolver_preload: { ${publicKey.system}: ${jwts.system}, ${publicKey.store}: ${jwts.store}, ${publicKey.peers}: ${jwts.peers} }`
    ].join("\n")
  })

/** What one server is told of itself. */
const serverLines = (options: HubOptions): ReadonlyArray<string> => [
  `server_name: ${quote(options.serverName)}`,
  `listen: ${quote(address(options.client))}`,
  tlsBlock(options, options.client),
  ...(options.monitorPort === undefined ? [] : [`http: "127.0.0.1:${options.monitorPort}"`]),
  `max_payload: ${payloadMaxBytes}`,
  // Its log, where it is started with one: whoever is refused a million times does not fill the disk with it.
  `logfile_size_limit: 50MB`,
  `logfile_max_num: 3`,
  // A dead link is noticed after three silent pings at most.
  `ping_interval: "3s"`,
  `ping_max: 2`,
  ...(options.cluster === undefined ? [] : clusterLines(options.cluster)),
  `jetstream { store_dir: ${quote(options.storeDir)}, domain: ${hubDomain}, sync_interval: always, max_file_store: 4PB, limits: { default_max_consumers: -1 }${options.cluster === undefined ? "" : `, unique_tag: ${quote(zoneTag)}`} }`,
  `leafnodes { ${listenAnd(options.leaf, leafTls(options, options.leaf))} }`,
  ...(options.webSocket === undefined ? [] : [`websocket { ${listenAnd(options.webSocket, leafTls(options, options.webSocket) || "no_tls: true")} }`]),
  `resolver: { type: full, dir: ${quote(options.jwtDir)}, interval: "2m" }`
]

const zoneTag = "zone:"

const clusterLines = ({ listen, routes, tls, zone }: HubCluster): ReadonlyArray<string> => [
  `server_tags: [${quote(zoneTag + zone)}]`,
  `cluster {`,
  `  name: ${hubDomain}`,
  `  ${listenAnd(listen, "")}`,
  `  routes: [${routes.map(quote).join(", ")}]`,
  // clients and leafs are told of all servers by us, not by the servers, whose own addresses may mean nothing outside
  `  no_advertise: true`,
  `  tls { cert_file: ${quote(tls.certFile)}, key_file: ${quote(tls.keyFile)}, ca_file: ${quote(tls.caFile)}, verify: true }`,
  `}`
]

const publicOf = (seed: string) => keyOf(seed).getPublicKey()

const address = (listener: Listener) => `${listener.host ?? "127.0.0.1"}:${listener.port}`

const listenAnd = (listener: Listener, more: string) => `listen: ${quote(address(listener))}${more && `, ${more}`}`

const isLoopback = ({ host = "127.0.0.1" }: Listener) => host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host)

const leafTls = (options: HubOptions, listener: Listener) => tlsBlock(options, listener, options.tls?.leafsToo === true)

const tlsBlock = (options: HubOptions, listener: Listener, onLoopback = false) =>
  options.tls === undefined || (isLoopback(listener) && !onLoopback) ? "" : `tls { cert_file: ${quote(options.tls.certFile)}, key_file: ${quote(options.tls.keyFile)} }`

/** nats-server strings: backslash escapes, so a path with a quote or a backslash stays one string. */
const quote = (text: string) => `"${text.replace(/[\\"]/g, (character) => `\\${character}`)}"`
