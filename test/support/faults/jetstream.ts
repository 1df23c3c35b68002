import { mkdirSync, mkdtempSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Duration, Effect } from "effect"
import { joinCluster } from "../../../src/hosted/Deployment.ts"
import { connect, type Wired } from "../../../src/nats/connect.ts"
import { fromBase64url } from "../../../src/security/digest.ts"
import { secretKey } from "../../../src/security/secretKey.ts"
import type { Backend, World } from "../world.ts"

/** A local's own nats-server, as its agent reaches it: what a person with a NATS tool on that machine can do. */
const ofLocal = (local: Backend) =>
  Effect.suspend(() => {
    const conf = readFileSync(join(local.dir, "nats/infra/leaf/instance.conf"), "utf8")
    const ports = readFileSync(portsFile(local), "utf8")
    return connect({
      server: /127\.0\.0\.1:\d+/.exec((JSON.parse(ports) as { readonly nats: ReadonlyArray<string> }).nats[0]!)![0],
      auth: { user: "agent", pass: /MAESTRA_AGENT_PASSWORD: "([^"]+)"/.exec(conf)![1]! },
      name: "fault", inboxPrefix: "_INBOX.agent"
    })
  })

const portsFile = (backend: Backend) => join(backend.dir, "nats", `nats-server_${backend.natsPid()}.ports`)

/** The hub, as a hosted process reaches it. */
const ofHub = (world: World, hub: Backend) =>
  Effect.gen(function*() {
    const folder = join(mkdtempSync(join(world.dir, "joined-")), "hosted")
    mkdirSync(folder)
    const joined = yield* joinCluster(folder, { kind: "master", key: secretKey(fromBase64url(world.masterKey)!), from: "a test" }, join(hub.dir, "cluster.json"))
    return yield* connect({ server: joined.cluster.servers, auth: { creds: joined.creds }, name: "fault", inboxPrefix: joined.inboxPrefix })
  })

/** One call of JetStream's API, on a local's server or on the hub. Answers what it said, as text. */
export const callJetStream = (world: World, backend: Backend, call: string, body = ""): Promise<string> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const wire: Wired = yield* (backend.side === "local" ? ofLocal(backend) : ofHub(world, backend))
    return new TextDecoder().decode(yield* wire.request(`$JS.API.${call}`, new TextEncoder().encode(body), Duration.seconds(5)))
  })))
