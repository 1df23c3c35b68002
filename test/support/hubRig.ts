import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { mirrorName, peerConsumer, streams } from "../../streams/definitions.ts"
import { patterns, subjects } from "../../streams/subjects.ts"
import { findServer } from "../../src/nats/binary.ts"
import { type Revocations } from "../../src/nats/hubAccounts.ts"
import { renderHubConfig } from "../../src/nats/hubConfig.ts"
import { type HubSecrets, isOwnReply, makeHubSecrets, peersSigner, serviceCredentials } from "../../src/nats/hubSecrets.ts"
import { credsFile, issueLeaf, makeTransportKey } from "../../src/nats/leafCredentials.ts"
import { openLeafConfig } from "../../src/nats/leafConfig.ts"
import { startServer } from "../../src/nats/ServerProcess.ts"
import { freePort } from "./natsServer.ts"

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-hub-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

export const binary = Effect.orDie(Effect.map(findServer({ say: () => Effect.void }), ({ path }) => path))

/** Polls a fact of another process every 20 ms; dies after half a minute, saying what it waited for. */
export const until = (what: string, fact: Effect.Effect<boolean>, patience: `${number} seconds` = "30 seconds") =>
  Effect.gen(function*() {
    while (!(yield* fact)) yield* Effect.sleep("20 millis")
  }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.die(new Error(`not within ${patience}: ${what}`)) }))

export const dial = (port: number, options: { readonly creds?: string; readonly user?: string; readonly pass?: string; readonly inboxPrefix?: string; readonly noEcho?: boolean }) =>
  Effect.acquireRelease(
    Effect.promise(() => {
      const { creds, ...rest } = options
      return connect({ servers: `127.0.0.1:${port}`, ...rest, ...(creds && { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) }), maxReconnectAttempts: -1, reconnectTimeWait: 100, noAsyncTraces: true })
    }),
    (connection) => Effect.promise(() => connection.close().catch(() => undefined))
  )

/** A hub as hosted runs it: operator mode, a LOG, and a hosted process that answers on ingest. */
export const makeHub = (more: { readonly extraConfig?: string; readonly revocations?: Revocations; readonly secrets?: HubSecrets; readonly dir?: string } = {}) =>
  Effect.gen(function*() {
    const dir = more.dir ?? (yield* temporaryFolder)
    const secrets = more.secrets ?? (yield* makeHubSecrets)
    const leafPort = yield* freePort
    const monitorPort = yield* freePort
    const config = yield* Effect.orDie(renderHubConfig(secrets, {
      serverName: "hub1",
      client: { port: -1 },
      leaf: { port: leafPort },
      webSocket: { port: -1 },
      monitorPort,
      storeDir: join(dir, "store"),
      jwtDir: join(dir, "jwt"),
      ...(more.revocations && { revocations: more.revocations })
    }))
    const configFile = join(dir, "hub.conf")
    writeFileSync(configFile, config + (more.extraConfig ?? ""), { mode: 0o600 })
    const server = yield* startServer({ binary: yield* binary, configFile, runDir: dir })
    const service = yield* serviceCredentials(secrets)
    const store = yield* dial(server.clientPort, service)
    const manager = yield* Effect.promise(() => jetstreamManager(store))
    yield* Effect.promise(() => manager.streams.add({ name: "LOG", subjects: [patterns.log], max_bytes: streams.log.sizeMaxBytes, deny_delete: true, allow_atomic: true, allow_direct: true }))
    store.subscribe(patterns.ingest, { queue: "ingest", callback: (_error, message) => void (isOwnReply(message.reply ?? "") && message.respond("committed")) })
    yield* Effect.promise(() => store.flush())
    const publish = (subject: string, body: string) => Effect.promise(() => jetstream(store).publish(subject, body))
    const digest = Effect.promise(async () => {
      const info = await manager.streams.info("LOG", { subjects_filter: ">" })
      return JSON.stringify([info.state.messages, info.state.subjects, info.config, info.state.consumer_count])
    })
    return { dir, secrets, server, leafPort, monitorPort, store, manager, publish, digest }
  })
export type Hub = Effect.Success<ReturnType<typeof makeHub>>

/** What registration does on the hosted side: the durable consumer, and a leaf token for the peer's own key. */
export const admit = (hub: Hub, tenant: string, peer: string, lifetime = 3600_000) =>
  Effect.gen(function*() {
    const key = yield* makeTransportKey
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const issue = (transportKey: string, expiresAt = now + lifetime) => issueLeaf(peersSigner(hub.secrets), { tenant, peer, transportKey, expiresAt, log: "LOG" })
    const jwt = yield* Effect.orDie(issue(key.publicKey))
    yield* Effect.promise(() =>
      hub.manager.consumers.add("LOG", {
        durable_name: peerConsumer.nameOf(peer),
        deliver_subject: subjects.deliver(peer),
        filter_subject: subjects.logTenant(tenant),
        deliver_policy: "all",
        ack_policy: "flow_control",
        flow_control: true,
        idle_heartbeat: 1_000_000_000,
        max_ack_pending: peerConsumer.maxAckPending
      })
    )
    return { tenant, peer, key, jwt, creds: credsFile(jwt, key.seed) }
  })
export type Admitted = Effect.Success<ReturnType<typeof admit>>

/** A local backend's server, paired, with its mirror. */
export const makePeer = (hub: Hub, admitted: Admitted) =>
  Effect.gen(function*() {
    const { creds, peer } = admitted
    const directory = yield* temporaryFolder
    const config = yield* openLeafConfig({ directory, instanceId: peer, port: 0 })
    yield* config.pair({ urls: [`nats-leaf://127.0.0.1:${hub.leafPort}`], creds })
    const server = yield* startServer({ binary: yield* binary, configFile: config.configFile, runDir: directory })
    const agent = yield* dial(server.clientPort, { ...config.agent, inboxPrefix: `_INBOX.${peer}` })
    const local = yield* Effect.promise(() => jetstreamManager(agent))
    const mirror = Effect.promise(() =>
      local.streams.add({
        name: mirrorName,
        mirror: { name: "LOG", external: { api: "store", deliver: "" }, consumer: { name: peerConsumer.nameOf(peer), deliver_subject: subjects.deliver(peer) } }
      })
    )
    yield* mirror
    const held = Effect.promise(async () => (await local.streams.info(mirrorName)).state.messages)
    return { ...admitted, directory, config, server, agent, local, mirror, held }
  })
export type Peer = Effect.Success<ReturnType<typeof makePeer>>

export const leafCount = (hub: Hub) =>
  Effect.promise(async () => {
    const answer = await fetch(`http://127.0.0.1:${hub.monitorPort}/leafz`)
    const body: unknown = await answer.json()
    return typeof body === "object" && body !== null && "leafnodes" in body && typeof body.leafnodes === "number" ? body.leafnodes : -1
  })

/** Long enough for any answer, milliseconds: who expects one waits for it, however busy the machine is. */
export const anyAnswer = 20_000

/** The answer's text, or undefined where nobody answered in time, milliseconds. */
export const answerTo = (connection: NatsConnection, subject: string, body = "", timeout = 500) =>
  Effect.promise(() => connection.request(subject, body, { timeout }).then((message) => message.string(), () => undefined))
