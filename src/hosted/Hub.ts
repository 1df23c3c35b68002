import { Duration, Effect, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { findServer } from "../nats/binary.ts"
import type { Wired } from "../nats/connect.ts"
import { connectToOwn } from "../nats/connectPatiently.ts"
import { renderHubConfig } from "../nats/hubConfig.ts"
import { type HubSecrets, serviceCredentials, systemCredentials } from "../nats/hubSecrets.ts"
import { type ServerProcess, startServer } from "../nats/ServerProcess.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** The hub a single-process deployment runs itself, and this process's two connections to it. */
export interface Hub {
  readonly service: Wired
  readonly system: Wired
  readonly inboxPrefix: string
  readonly serverVersion: string
  readonly clientPort: number
  readonly server: ServerProcess
}

/** The server of a hub of one. */
export const hubName = "hub-1"

/** A file of the hub cannot be written. Nothing was started. */
export class HubUnwritable extends Schema.TaggedError<HubUnwritable>()("HubUnwritable", { hint: Schema.String }) {}

/** Where leaf nodes are listened for, and how what they say is protected on the way. */
export interface Network {
  readonly leafHost: string
  /** For leaf nodes through WebSocket; none without it. */
  readonly webSocketPort?: number
  /** PEM files. New content of them is taken up within seconds. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
  /** Somebody said on purpose that plain text may cross the network: something in front speaks TLS, or nothing matters. */
  readonly plainAllowed: boolean
}

/** Nothing leaves this machine. */
export const loopbackOnly: Network = { leafHost: "127.0.0.1", plainAllowed: false }

export interface HubStart {
  readonly dataDir: string
  readonly secrets: HubSecrets
  readonly natsPort: number
  readonly leafPort: number
  readonly network: Network
  /** Transport keys revoked so far, with the second of their revocation. */
  readonly revocations: Readonly<Record<string, number>>
  readonly onProgress: (line: string) => Effect.Effect<void>
}

/** Start the hub's nats-server in this data directory and connect as a hosted process and as its admin. */
export const startHub = Effect.fn("startHub")(function*(options: HubStart) {
  const runDir = join(options.dataDir, "nats")
  const { network } = options
  const binary = yield* findServer({ say: options.onProgress })
  const text = yield* renderHubConfig(options.secrets, {
    serverName: hubName,
    client: { port: options.natsPort },
    leaf: { port: options.leafPort, host: network.leafHost },
    ...(network.webSocketPort === undefined ? {} : { webSocket: { port: network.webSocketPort, host: network.leafHost } }),
    ...(network.tls === undefined ? {} : { tls: { ...network.tls, leafsToo: true } }),
    tlsInFront: network.plainAllowed,
    storeDir: join(runDir, "store"),
    jwtDir: join(runDir, "jwt"),
    revocations: options.revocations
  })
  const configFile = join(runDir, "nats.conf")
  yield* Effect.tryPromise({
    try: () => replaceFile(configFile, text),
    catch: (cause) => new HubUnwritable({ hint: `${configFile} cannot be written: ${cause instanceof Error ? cause.message : "unknown reason"}` })
  })
  const server = yield* startServer({ binary: binary.path, configFile, runDir })
  const service = yield* serviceCredentials(options.secrets)
  const system = yield* systemCredentials(options.secrets)
  return {
    service: yield* connectToOwn(server, { auth: { creds: service.creds }, name: "hosted", inboxPrefix: service.inboxPrefix }),
    system: yield* connectToOwn(server, { auth: { creds: system.creds }, name: "hosted admin", inboxPrefix: system.inboxPrefix }),
    inboxPrefix: service.inboxPrefix,
    serverVersion: binary.version,
    clientPort: server.clientPort,
    server
  } satisfies Hub
})

const lookEvery = Duration.seconds(2)

/** Have the server take up renewed certificates, for ever: links that stand stay, new ones get the new certificate. */
export const keepCertificates = Effect.fnUntraced(function*(server: Pick<ServerProcess, "reload">, { certFile, keyFile }: NonNullable<Network["tls"]>): Effect.fn.Return<never> {
  const read = Effect.promise(() => Promise.all([certFile, keyFile].map((file) => readFile(file, "latin1").catch(() => ""))).then((texts) => texts.includes("") ? undefined : texts.join("")))
  let held = yield* read
  for (;;) {
    yield* Effect.sleep(lookEvery)
    const now = yield* read
    if (now === undefined || now === held) continue
    held = now
    yield* server.reload.pipe(Effect.tapError(({ hint }) => Effect.logWarning("nats-server did not take up a renewed certificate", { hint })), Effect.ignore)
  }
})
