import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import type { Network } from "../../hosted/Hub.ts"
import { isLoopback, refusalOfUrl } from "../../security/plainText.ts"
import { type CliFailure, failed, misused } from "../failure.ts"

const file = (name: string, setting: string, about: string) =>
  Flag.String(name).pipe(Flag.withDescription(`${about} (${setting})`), Flag.withFallbackConfig(Config.NonEmptyString(setting)), Flag.optional)

/** Both sides have it: without it nothing secret crosses the network in plain text. */
const insecurePlain = Flag.Boolean("insecure-plain").pipe(
  Flag.withDescription("Allow plain text over the network: something else protects it, or nothing matters (MAESTRA_INSECURE_PLAIN)"),
  Flag.withFallbackConfig(Config.Boolean("MAESTRA_INSECURE_PLAIN")),
  Flag.withDefault(false)
)

/** How the hosted side is reached. */
export const hostedNetworkFlags = {
  tlsCert: file("tls-cert", "MAESTRA_TLS_CERT", "PEM file of the certificate for HTTP and leaf nodes; renewed while it runs"),
  tlsKey: file("tls-key", "MAESTRA_TLS_KEY", "PEM file of its private key"),
  leafHost: Flag.String("leaf-host").pipe(
    Flag.withDescription("Address the leaf port listens on (MAESTRA_LEAF_HOST, default 127.0.0.1)"),
    Flag.withFallbackConfig(Config.NonEmptyString("MAESTRA_LEAF_HOST")),
    Flag.withDefault("127.0.0.1")
  ),
  leafWsPort: Flag.Int("leaf-ws-port").pipe(
    Flag.withDescription("Port for leaf nodes through WebSocket (MAESTRA_LEAF_WS_PORT; none without it)"),
    Flag.withFallbackConfig(Config.Int("MAESTRA_LEAF_WS_PORT")),
    Flag.optional
  ),
  insecurePlain
}

/** How the local side reaches it. */
export const localNetworkFlags = {
  ca: file("ca", "MAESTRA_CA", "PEM file of an authority to trust besides the system's, as `maestra hosted certs` makes"),
  insecurePlain
}

/** The network of a hub, or why it would leave the machine in plain text. */
export const hostedNetwork = (flags: {
  readonly tlsCert: Option.Option<string>
  readonly tlsKey: Option.Option<string>
  readonly host: string
  readonly leafHost: string
  readonly leafWsPort: Option.Option<number>
  readonly insecurePlain: boolean
  readonly publicUrl: string
}): Effect.Effect<Network, CliFailure> => {
  if (Option.isSome(flags.tlsCert) !== Option.isSome(flags.tlsKey)) return Effect.fail(misused("tls-half", "a certificate goes with its key", "Give both --tls-cert and --tls-key."))
  const tls = Option.isSome(flags.tlsCert) && Option.isSome(flags.tlsKey) ? { certFile: resolve(flags.tlsCert.value), keyFile: resolve(flags.tlsKey.value) } : undefined
  const exposed = [["--host", flags.host], ["--leaf-host", flags.leafHost]].find(([, host]) => tls === undefined && !flags.insecurePlain && !isLoopback(host!))
  if (exposed !== undefined) return Effect.fail(misused("plain-text", `${exposed.join(" ")} would be reached in plain text`, "Give --tls-cert and --tls-key, or --insecure-plain where a proxy in front speaks TLS."))
  const plain = refusalOfUrl(flags.publicUrl, flags.insecurePlain)
  if (plain !== undefined) return Effect.fail(misused("plain-text", `--public-url ${plain}`, "Give an https:// address, or --insecure-plain on both sides."))
  return Effect.succeed({
    leafHost: flags.leafHost,
    ...Option.match(flags.leafWsPort, { onNone: () => ({}), onSome: (port) => ({ webSocketPort: port }) }),
    ...(tls === undefined ? {} : { tls }),
    plainAllowed: flags.insecurePlain
  })
}

/**
 * Where devices link, if nobody says otherwise: at the leaf port, or as a WebSocket through the proxy that speaks TLS. In
 * the clear only where nothing leaves the machine, or somebody said so: local backends refuse anything else.
 */
export const leafUrlOf = (publicUrl: string, leafPort: number, { plainAllowed, tls, webSocketPort }: Network): string => {
  const { host, hostname, protocol } = new URL(publicUrl)
  if (tls === undefined && protocol === "https:" && webSocketPort !== undefined) return `wss://${host}`
  const plain = tls === undefined && (isLoopback(hostname) || (plainAllowed && protocol === "http:"))
  return `${plain ? "nats-leaf" : "tls"}://${hostname}:${leafPort}`
}

/** The same, said aloud where nobody can link: a nats-server speaks before TLS begins, so that nothing in front can begin it in its place. */
export const whereToLink = Effect.fnUntraced(function*(publicUrl: string, leafPort: number, network: Network) {
  const leafUrl = leafUrlOf(publicUrl, leafPort, network)
  if (leadsNowhere(leafUrl, network)) {
    yield* Effect.logWarning("no local backend on another machine can link: nothing speaks TLS at the leaf port. Give --tls-cert and --tls-key, or --leaf-ws-port with the proxy passing /leafnode to it", { leaf_url: leafUrl })
  }
  return leafUrl
})

export const leadsNowhere = (leafUrl: string, { tls }: Network): boolean => tls === undefined && leafUrl.startsWith("tls:")

/** Trust one more authority, in this process, for everything that speaks TLS from here on. */
export const trust = (ca: Option.Option<string>): Effect.Effect<string | undefined, CliFailure> =>
  Option.match(ca, {
    onNone: () => Effect.undefined,
    onSome: (path) =>
      Effect.tryPromise({
        try: async () => {
          setDefaultCACertificates([...getCACertificates("default"), await readFile(path, "utf8")])
          return resolve(path)
        },
        catch: () => failed("ca-unreadable", `${path} holds no certificate this program can read`, "Give the PEM file of the authority.")
      })
  })
