import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Effect } from "effect"
import { mirrorName, peerConsumer } from "../../../streams/definitions.ts"
import { credsFile } from "../../../src/nats/leafCredentials.ts"
import { mirrorToJetStream } from "../../../src/nats/toJetStream.ts"
import { findBinary, freePort } from "../../support/natsServer.ts"
import { until } from "../../support/world.ts"
import type { Device } from "./registered.ts"

/** Many local backends' servers in one process: an account, a leaf link and a mirror for each device. */
interface LeafServer {
  readonly pid: number
  /** A connection inside a device's account. */
  readonly dial: (device: Device) => Promise<NatsConnection>
  /** How many links are up. */
  readonly links: () => Promise<number>
  readonly close: () => Promise<void>
}

/** All of them, as one. */
export interface LeafServers extends Omit<LeafServer, "pid"> {
  readonly pids: ReadonlyArray<number>
}

/** Links that a leaf server is told to make at once. */
const linksAtOnce = 50

const quoted = (text: string) => JSON.stringify(text)

/** Links of one server: a thousand in one process did not answer the hub's pings in nine seconds on a busy machine. */
const linksPerServer = 250

/** As many servers as it takes, one after the other. */
export const startLeafServers = async (devices: ReadonlyArray<Device>): Promise<LeafServers> => {
  const servers: Array<LeafServer> = []
  const byPeer = new Map<string, LeafServer>()
  const close = async () => void await Promise.all(servers.map((server) => server.close()))
  try {
    for (let from = 0; from < devices.length; from += linksPerServer) {
      const group = devices.slice(from, from + linksPerServer)
      const server = await startLeafServer(group)
      servers.push(server)
      for (const { peer } of group) byPeer.set(peer, server)
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    pids: servers.map(({ pid }) => pid),
    links: async () => (await Promise.all(servers.map((server) => server.links()))).reduce((sum, links) => sum + links, 0),
    dial: (device) => byPeer.get(device.peer)!.dial(device),
    close
  }
}

const startLeafServer = async (devices: ReadonlyArray<Device>): Promise<LeafServer> => {
  const dir = mkdtempSync(join(tmpdir(), "maestra-leafs-"))
  mkdirSync(join(dir, "creds"))
  for (const { jwt, peer, seed } of devices) writeFileSync(join(dir, "creds", peer), credsFile(jwt, seed), { mode: 0o600 })
  const [port, monitor] = [await Effect.runPromise(freePort), await Effect.runPromise(freePort)]
  /** So many links up; the others wait. */
  const config = (up: number) => [
    `server_name: bench-leafs`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitor}"`,
    "max_payload: 8MB",
    "max_connections: 20000",
    `jetstream { store_dir: ${quoted(join(dir, "store"))}, domain: bench, sync_interval: always, max_file_store: 4PB }`,
    "accounts {",
    ...devices.map(({ peer }) => `  ${peer}: { jetstream: enabled, users: [{ user: ${quoted(peer)}, password: bench }] }`),
    "}",
    "leafnodes { reconnect: 5s, remotes: [",
    ...devices.map(({ leafUrls, peer }, at) => `  { urls: [${leafUrls.map(quoted).join(", ")}], account: ${peer}, credentials: ${quoted(join(dir, "creds", peer))}, ignore_discovered_servers: true, disabled: ${at >= up} }`),
    "] }",
    ""
  ].join("\n")
  const configure = (up: number) => writeFileSync(join(dir, "leafs.conf"), config(up), { mode: 0o600 })
  configure(0)
  const log = join(dir, "leafs.log")
  const child: ChildProcess = spawn(await Effect.runPromise(findBinary), ["-c", join(dir, "leafs.conf"), "-l", log], { stdio: "ignore" })
  const links = async () => {
    const answer = await fetch(`http://127.0.0.1:${monitor}/varz`).catch(() => undefined)
    return answer === undefined ? 0 : ((await answer.json()) as { readonly leafnodes?: number }).leafnodes ?? 0
  }
  const tail = () => readFileSync(log, "utf8").slice(-2000)
  await until(() => existsSync(log) && readFileSync(log, "utf8").includes("Server is ready"), 60_000, tail)
  // a thousand at once from one process answer no ping in time, and begin again and again: a few, then more
  for (let up = linksAtOnce; up < devices.length + linksAtOnce; up += linksAtOnce) {
    configure(up)
    child.kill("SIGHUP")
    await until(async () => await links() >= Math.min(up, devices.length), 300_000, () => `not all links came up:\n${tail()}`)
  }
  return {
    pid: child.pid!,
    links,
    dial: ({ peer }) => connect({ servers: `127.0.0.1:${port}`, user: peer, pass: "bench", inboxPrefix: `_INBOX.${peer}`, name: peer, noAsyncTraces: true, timeout: 60_000 }),
    close: async () => {
      const gone = new Promise<void>((done) => child.once("exit", () => done()))
      child.kill("SIGKILL")
      await gone
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

/** Make a device's mirror, exactly as a local backend does: the hub's consumer told to begin at 1 first. */
export const makeMirror = async (connection: NatsConnection, { log, peer }: Device): Promise<void> => {
  const config = mirrorToJetStream({ name: mirrorName, log, consumer: peerConsumer.nameOf(peer), peer })
  await connection.request(`store.CONSUMER.RESET.${log}.${peerConsumer.nameOf(peer)}`, JSON.stringify({ seq: 1 }), { timeout: 60_000 })
  const answer = (await connection.request(`$JS.API.STREAM.CREATE.${mirrorName}`, JSON.stringify(config), { timeout: 60_000 })).json<{ readonly error?: { readonly description: string } }>()
  if (answer.error !== undefined) throw new Error(answer.error.description)
}

/** How many messages a device's mirror holds. */
export const mirrored = async (connection: NatsConnection): Promise<number> =>
  (await connection.request(`$JS.API.STREAM.INFO.${mirrorName}`, "", { timeout: 60_000 })).json<{ readonly state: { readonly messages: number } }>().state.messages
