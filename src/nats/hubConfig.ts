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
  /** PEM files, used by every listener that has a host other than loopback. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
  /** True when a proxy in front of a non-loopback listener speaks TLS. */
  readonly tlsInFront?: boolean
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
    const listeners = { client: options.client, leaf: options.leaf, ...(options.webSocket && { webSocket: options.webSocket }) }
    for (const [name, listener] of Object.entries(listeners)) {
      if (!isLoopback(listener) && options.tls === undefined && options.tlsInFront !== true) {
        return yield* new HubExposed({ listener: `${name} on ${listener.host}`, hint: "Give a certificate and key, or listen on 127.0.0.1 behind a proxy that speaks TLS." })
      }
    }
    const jwts = yield* accountJwts(secrets, { logs: options.logs ?? defaultLogs, revocations: options.revocations ?? {} })
    const publicKey = { system: publicOf(secrets.system), store: publicOf(secrets.store), peers: publicOf(secrets.peers) }
    return [
      `server_name: ${quote(options.serverName)}`,
      `listen: ${quote(address(options.client))}`,
      tlsBlock(options, options.client),
      ...(options.monitorPort === undefined ? [] : [`http: "127.0.0.1:${options.monitorPort}"`]),
      `max_payload: ${payloadMaxBytes}`,
      // A dead link is noticed after three silent pings at most.
      `ping_interval: "3s"`,
      `ping_max: 2`,
      `jetstream { store_dir: ${quote(options.storeDir)}, domain: ${hubDomain}, sync_interval: always, max_file_store: 4PB }`,
      `leafnodes { ${listenAnd(options.leaf, tlsBlock(options, options.leaf))} }`,
      ...(options.webSocket === undefined ? [] : [`websocket { ${listenAnd(options.webSocket, tlsBlock(options, options.webSocket) || "no_tls: true")} }`]),
      `operator: ${jwts.operator}`,
      `system_account: ${publicKey.system}`,
      `resolver: { type: full, dir: ${quote(options.jwtDir)}, interval: "2m" }`,
      `resolver_preload: { ${publicKey.system}: ${jwts.system}, ${publicKey.store}: ${jwts.store}, ${publicKey.peers}: ${jwts.peers} }`,
      ""
    ].filter((line, index, all) => line !== "" || index === all.length - 1).join("\n")
  })

const publicOf = (seed: string) => keyOf(seed).getPublicKey()

const address = (listener: Listener) => `${listener.host ?? "127.0.0.1"}:${listener.port}`

const listenAnd = (listener: Listener, more: string) => `listen: ${quote(address(listener))}${more && `, ${more}`}`

const isLoopback = ({ host = "127.0.0.1" }: Listener) => host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host)

const tlsBlock = (options: HubOptions, listener: Listener) =>
  options.tls === undefined || isLoopback(listener) ? "" : `tls { cert_file: ${quote(options.tls.certFile)}, key_file: ${quote(options.tls.keyFile)} }`

/** nats-server strings: backslash escapes, so a path with a quote or a backslash stays one string. */
const quote = (text: string) => `"${text.replace(/[\\"]/g, (character) => `\\${character}`)}"`
