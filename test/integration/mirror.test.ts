// Goal: a peer's mirror holds its tenant's part of the log, all of it and nothing else, also after it was lost.
// Method: a hub with two accounts and a leaf node as deployments have them, both real.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Schedule } from "effect"
import { connect, type Wire } from "../../src/nats/connect.ts"
import { jetStreamLog } from "../../src/nats/jetStreamLog.ts"
import { deleteMirror, ensureMirror, mirrorInfo, recreateMirror } from "../../src/nats/mirror.ts"
import { deletePeerConsumer, ensurePeerConsumer } from "../../src/nats/peerConsumer.ts"
import { ensureStream } from "../../src/nats/provision.ts"
import { mirrorName, streams } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { freePort, startServer } from "../support/natsServer.ts"
import { all, message, range, take, text } from "../support/messages.ts"

const peer = "peer_0123456789abcdef"
const own = { tenant: "t_alice", peer }
const conversation = subjects.logConversation("t_alice", "c1")

const world = Effect.gen(function*() {
  const leafPort = yield* freePort
  const hub = yield* startServer({ domain: "hub", config: hubConfig(leafPort) })
  const local = yield* startServer({ domain: "l_test", config: leafConfig(leafPort) })
  const store = yield* connect({ server: hub.address, name: "hosted", auth: { user: "store", pass: "store" }, inboxPrefix: "_INBOX.h_test" })
  const agent = yield* connect({ server: local.address, name: "agent", auth: { user: "agent", pass: "agent" }, inboxPrefix: "_INBOX.agent" })
  const relay = yield* connect({ server: local.address, name: "relay", auth: { user: "agent", pass: "agent" }, inboxPrefix: `_INBOX.${peer}` })
  yield* ensureStream(store, streams.log, { replicas: 1, sizeMaxBytes: 1024 ** 3 })
  assert.strictEqual((yield* ensurePeerConsumer(store, own)).created, true)
  assert.strictEqual((yield* ensurePeerConsumer(store, own)).created, false)
  yield* makeWhole({ local: agent, peer: relay })
  return { hub, local, log: jetStreamLog(store, "LOG"), mirror: jetStreamLog(agent, mirrorName), store, agent, relay, wires: { local: agent, peer: relay } }
})

describe("a mirror", () => {
  it.live("holds the tenant's events with the log's own sequences, and no other tenant's", () =>
    Effect.gen(function*() {
      const { agent, log, mirror } = yield* world
      for (let i = 0; i < 30; i++) {
        yield* log.append(range(i * 10, 10).map((n) => message(conversation, `${n}`)))
        yield* log.append([message(subjects.logConversation("t_bob", "c9"), "bob's")])
      }
      const mirrored = yield* take(mirror.read({ from: 1 }), 300)
      assert.deepStrictEqual(mirrored.map(text), range(0, 300).map(String))
      assert.strictEqual(mirrored[10]!.seq, 12)
      assert.strictEqual(Option.getOrThrow(yield* mirrorInfo(agent)).messages, 300)
      assert.deepStrictEqual(yield* ensureMirror(agent, { peer }), { created: false })
    }))

  it.live("that was lost is whole again, and its readers go on where they were", () =>
    Effect.gen(function*() {
      const { agent, log, mirror, wires } = yield* world
      yield* log.append(range(0, 300).map((n) => message(conversation, `${n}`)))
      const reader = yield* Effect.forkScoped(take(mirror.read({ from: 1 }), 310))
      yield* holds(agent, 300)
      yield* deleteMirror(agent)
      assert.deepStrictEqual(yield* mirrorInfo(agent), Option.none())
      yield* recreateMirror(wires, { peer })
      yield* log.append(range(300, 10).map((n) => message(conversation, `${n}`)))
      yield* holds(agent, 310)
      assert.deepStrictEqual((yield* all(mirror)).map(text), range(0, 310).map(String))
      assert.deepStrictEqual((yield* Fiber.join(reader)).map(text), range(0, 310).map(String))
    }))

  it.live("survives the kill of either server, and of its consumer on the hub", () =>
    Effect.gen(function*() {
      const { agent, hub, local, log, mirror, store } = yield* world
      const append = (n: number) => log.append([message(conversation, `${n}`)]).pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 100 }))
      yield* append(0)
      yield* holds(agent, 1)
      yield* local.kill
      yield* append(1)
      yield* local.restart
      yield* holds(agent, 2)
      yield* hub.kill
      yield* hub.restart
      yield* append(2)
      yield* holds(agent, 3)
      yield* deletePeerConsumer(store, { peer })
      yield* append(3)
      assert.strictEqual((yield* ensurePeerConsumer(store, own)).created, true)
      yield* holds(agent, 4)
      assert.deepStrictEqual((yield* all(mirror)).map(text), ["0", "1", "2", "3"])
    }))

  it.live("gets nothing more once its consumer is deleted; the link down is unavailable, and nothing is lost by trying", () =>
    Effect.gen(function*() {
      const { agent, hub, log, store, wires } = yield* world
      yield* log.append([message(conversation, "0")])
      yield* holds(agent, 1)
      yield* deletePeerConsumer(store, { peer })
      yield* deletePeerConsumer(store, { peer })
      yield* log.append([message(conversation, "1")])
      assert.strictEqual((yield* Effect.flip(recreateMirror(wires, { peer })))._tag, "LogUnavailable")
      yield* hub.kill
      assert.strictEqual((yield* Effect.flip(recreateMirror(wires, { peer })))._tag, "LogUnavailable")
      yield* hub.restart
      yield* ensurePeerConsumer(store, own).pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 100 }))
      yield* makeWhole(wires)
      yield* holds(agent, 2)
    }))

  it.live("of another peer is not taken for one's own", () =>
    Effect.gen(function*() {
      const { agent } = yield* world
      const error = yield* Effect.flip(ensureMirror(agent, { peer: "peer_ffffffffffffffff" }))
      assert.strictEqual(error._tag, "StreamRefused")
    }))
})

/** The leaf link takes a moment to come up. */
const makeWhole = (wires: Parameters<typeof recreateMirror>[0]) =>
  recreateMirror(wires, { peer }).pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 200 }))

const holds = (agent: Wire, messages: number) =>
  mirrorInfo(agent).pipe(
    Effect.flatMap((info) => Option.isSome(info) && info.value.messages === messages ? Effect.void : Effect.fail("not yet")),
    Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 1500 })
  )

const hubConfig = (leafPort: number) => `
server_name: hub
accounts {
  STORE {
    jetstream: enabled
    users: [{ user: store, password: store }]
    exports: [
      { service: "ingest.*.*.*" }, { service: "$JS.API.CONSUMER.RESET.LOG.*" }, { service: "$JS.FC.LOG.>" }, { service: "$JS.ACK.LOG.>" }, { stream: "deliver.>" }
    ]
  }
  PEERS {
    users: [{ user: leaf, password: leaf }]
    imports: [
      { service: { account: STORE, subject: "ingest.*.*.*" } }
      { service: { account: STORE, subject: "$JS.API.CONSUMER.RESET.LOG.*" }, to: "store.CONSUMER.RESET.LOG.*" }
      { service: { account: STORE, subject: "$JS.FC.LOG.>" } }
      { service: { account: STORE, subject: "$JS.ACK.LOG.>" } }
      { stream: { account: STORE, subject: "deliver.>" } }
    ]
  }
}
leafnodes { listen: "127.0.0.1:${leafPort}" }`

const leafConfig = (leafPort: number) => `
server_name: local
accounts { LOCAL { jetstream: enabled, users: [{ user: agent, password: agent }] }, SYS { users: [{ user: sys, password: sys }] } }
system_account: SYS
leafnodes { reconnect: "1s", remotes: [{
  url: "nats-leaf://leaf:leaf@127.0.0.1:${leafPort}", account: LOCAL, ignore_discovered_servers: true
  deny_exports: ["journal.>", "telemetry.>", "audit.>", "log.>", "_INBOX.agent.>", "$KV.>", "$JS.EVENT.>", "$JS.*.API.>"]
  deny_imports: ["journal.>", "telemetry.>", "log.>", "$KV.>", "$JS.API.>", "$JS.*.API.>"]
}] }`
