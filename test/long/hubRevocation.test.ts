// Goal: who may connect as a leaf, until when, and how that ends; a lost mirror is made whole; both forms of acknowledgement pass.
// Method: a real hub; identities that should not be let in as a table; revocation measured on the live leaf and over a restart.
import { assert, it, layer } from "@effect/vitest"
import * as jwt from "@nats-io/jwt"
import { createAccount, createUser } from "@nats-io/nkeys"
import { Context, Effect, Layer, Result, Schedule, SubscriptionRef } from "effect"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { peerConsumer } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { connect } from "../../src/nats/connect.ts"
import { keyOf, makeHubSecrets, peersSigner, seedOf, systemCredentials } from "../../src/nats/hubSecrets.ts"
import { credsFile, issueLeaf, leafLifetimeMax } from "../../src/nats/leafCredentials.ts"
import { watchLeaf } from "../../src/nats/leafLink.ts"
import { currentRevocations, revokeLeaf } from "../../src/nats/revocation.ts"
import { admit, answerTo, type Hub, leafCount, makeHub, makePeer, until } from "../support/hubRig.ts"
import { rawLeaf } from "../support/rawLeaf.ts"

class Room extends Context.Service<Room, { readonly hub: Hub; readonly own: Effect.Success<ReturnType<typeof admit>> }>()("test/RevocationRoom") {
  static readonly layer = Layer.effect(
    Room,
    Effect.gen(function*() {
      const hub = yield* makeHub()
      return { hub, own: yield* admit(hub, "mallory", "p3") }
    })
  )
}

interface Identity {
  readonly name: string
  readonly of: (room: typeof Room.Service) => Promise<{ readonly jwt?: string; readonly seed?: string }>
}

const encode = (room: typeof Room.Service, issuer: string, account: string, exp?: number) => {
  const key = createUser()
  return jwt.encodeUser("x", key, keyOf(issuer), { issuer_account: account, subs: -1, data: -1, payload: -1 }, exp === undefined ? {} : { exp }).then((token) => ({ jwt: token, seed: seedOf(key) }))
}

const strangers: ReadonlyArray<Identity> = [
  { name: "nobody", of: async () => ({}) },
  { name: "a stolen token without its key", of: async ({ own }) => ({ jwt: own.jwt, seed: seedOf(createUser()) }) },
  { name: "a token that expired", of: (room) => encode(room, room.hub.secrets.peersSigning, peersSigner(room.hub.secrets).peersAccount, Math.floor(Date.now() / 1000) - 1) },
  { name: "a token signed by a key of its own", of: (room) => encode(room, seedOf(createAccount()), peersSigner(room.hub.secrets).peersAccount) },
  { name: "a token for STORE signed with the key for PEERS", of: (room) => encode(room, room.hub.secrets.peersSigning, keyOf(room.hub.secrets.store).getPublicKey()) },
  { name: "a token for the system account signed with the key for PEERS", of: (room) => encode(room, room.hub.secrets.peersSigning, keyOf(room.hub.secrets.system).getPublicKey()) },
  {
    name: "its own token with other permissions written into it",
    of: async ({ own }) => {
      const [head, body, signature] = own.jwt.split(".")
      const claims = JSON.parse(Buffer.from(body!, "base64url").toString())
      delete claims.nats.pub
      delete claims.nats.sub
      return { jwt: [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join("."), seed: own.key.seed }
    }
  }
]

layer(Room.layer, { excludeTestServices: true, timeout: "60 seconds" })("as a leaf", (it) => {
  it.effect.each(strangers)("is not let in: $name", ({ of }) =>
    Effect.gen(function*() {
      const room = yield* Room
      const leaf = yield* rawLeaf(room.hub.leafPort, yield* Effect.promise(() => of(room)))
      yield* until("thrown out", Effect.sync(leaf.closed))
      assert.isAtLeast(leaf.refused.length, 1)
      assert.strictEqual(yield* leafCount(room.hub), 0)
    }))

  it.effect("a leaf's token opens no ordinary connection, and a hosted process's no leaf", () =>
    Effect.gen(function*() {
      const { hub, own } = yield* Room
      const refused = yield* Effect.result(Effect.scoped(connect({ server: `127.0.0.1:${hub.server.clientPort}`, auth: { creds: own.creds }, name: "test" })))
      assert.isTrue(Result.isFailure(refused))
    }))

  it.effect("a token never outlives eight hours, and a key that is none gets no token", () =>
    Effect.gen(function*() {
      const { hub, own } = yield* Room
      const now = Date.now()
      const issue = (transportKey: string) => issueLeaf(peersSigner(hub.secrets), { tenant: "t", peer: "p", log: "LOG", transportKey, expiresAt: now + 100 * leafLifetimeMax })
      const claims = jwt.decode<jwt.User>(yield* issue(own.key.publicKey))
      assert.isAtMost(claims.exp!, Math.ceil((now + leafLifetimeMax) / 1000) + 2)
      const typo = `${own.key.publicKey.slice(0, -1)}${own.key.publicKey.endsWith("A") ? "B" : "A"}`
      for (const bad of ["", "U", own.key.seed, keyOf(hub.secrets.peers).getPublicKey(), typo]) {
        assert.isTrue(Result.isFailure(yield* Effect.result(issue(bad))), bad.slice(0, 3))
      }
    }))
})

it.live("revocation cuts the live leaf within a second, and holds over restarts of the hub, with and without its JWT folder", () =>
  Effect.gen(function*() {
    const secrets = yield* makeHubSecrets
    const hub = yield* makeHub({ secrets })
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
    const bob = yield* makePeer(hub, yield* admit(hub, "bob", "p2"))
    const link = yield* watchLeaf({ clientPort: alice.server.clientPort, system: alice.config.system })
    yield* until("both leafs are up", Effect.map(leafCount(hub), (count) => count === 2))
    yield* until("alice sees it", Effect.sync(() => SubscriptionRef.getUnsafe(link).up))

    const sys = yield* systemCredentials(secrets)
    const system = yield* connect({ server: `127.0.0.1:${hub.server.clientPort}`, auth: sys, name: "admin", inboxPrefix: sys.inboxPrefix })
    const began = performance.now()
    const { revocations: inForce } = yield* revokeLeaf(system, secrets, { [alice.key.publicKey]: Math.floor(Date.now() / 1000) })
    yield* until("alice's leaf is cut", Effect.map(leafCount(hub), (count) => count === 1))
    assert.isBelow(performance.now() - began, 1000)
    yield* until("alice sees it", Effect.sync(() => !SubscriptionRef.getUnsafe(link).up))
    assert.deepStrictEqual(Object.keys(inForce), [alice.key.publicKey])
    assert.strictEqual(yield* answerTo(bob.agent, subjects.ingest("bob", "p2", "commit"), "x", 2000), "committed")

    // another admin revokes another key: the first stays revoked
    const carol = yield* admit(hub, "carol", "p4")
    yield* revokeLeaf(system, secrets, { [`U${alice.key.publicKey.slice(1)}`]: 1, [carol.key.publicKey]: Math.floor(Date.now() / 1000) }).pipe(Effect.repeat({ until: ({ lasts }) => lasts, schedule: Schedule.spaced("300 millis") }))
    assert.include(Object.keys(yield* currentRevocations(system, secrets)), alice.key.publicKey)

    yield* hub.server.restart
    yield* until("bob is back", Effect.map(leafCount(hub), (count) => count === 1))
    const raw = yield* rawLeaf(hub.leafPort, { jwt: alice.jwt, seed: alice.key.seed })
    yield* until("alice is refused after the restart", Effect.sync(raw.closed))
    assert.isFalse(SubscriptionRef.getUnsafe(link).up)

    // a hub whose JWT folder was lost: the rendered configuration must know
    const fresh = yield* makeHub({ secrets, revocations: inForce })
    const again = yield* rawLeaf(fresh.leafPort, { jwt: alice.jwt, seed: alice.key.seed })
    yield* until("alice is refused by the fresh hub", Effect.sync(again.closed))
  }), 60_000)

it.live("a renewed token in the same file is taken up by itself when the old one expires", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1", 3000))
    const link = yield* watchLeaf({ clientPort: alice.server.clientPort, system: alice.config.system })
    yield* until("up", Effect.sync(() => SubscriptionRef.getUnsafe(link).up))
    const token = yield* issueLeaf(peersSigner(hub.secrets), { tenant: "alice", peer: "p1", transportKey: alice.key.publicKey, expiresAt: Date.now() + 60_000, log: "LOG" })
    assert.strictEqual(yield* alice.config.renew(credsFile(token, alice.key.seed)), "nothing")
    yield* until("the old one expires", Effect.sync(() => !SubscriptionRef.getUnsafe(link).up))
    yield* until("up again", Effect.sync(() => SubscriptionRef.getUnsafe(link).up))
    yield* hub.publish(subjects.logConversation("alice", "c1"), "after the renewal")
    yield* until("the mirror goes on", Effect.map(alice.held, (held) => held === 1))
  }), 60_000)

it.live("a lost mirror is whole again after delete, reset to 1, create", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
    for (let i = 0; i < 50; i++) yield* hub.publish(subjects.logConversation("alice", "c1"), `e${i}`)
    yield* until("the mirror is full", Effect.map(alice.held, (held) => held === 50))
    yield* Effect.promise(() => alice.local.streams.delete("MIRROR"))
    assert.include(yield* answerTo(alice.agent, "store.CONSUMER.RESET.LOG.peer-p1", `{"seq":1}`, 2000), "peer-p1")
    yield* alice.mirror
    yield* until("the mirror is full again", Effect.map(alice.held, (held) => held === 50))
  }), 60_000)

it.live.each([{ newer: false }, { newer: true }])("deliveries are acknowledged past max_ack_pending (newer form: $newer)", ({ newer }) =>
  Effect.gen(function*() {
    const hub = yield* makeHub({ extraConfig: newer ? "feature_flags { js_ack_fc_v2: true }\n" : "" })
    const many = peerConsumer.maxAckPending + 2000
    const body = new Uint8Array(64)
    for (let i = 0; i < many; i++) hub.store.publish(subjects.logConversation("alice", "c1"), body)
    const info = Effect.promise(() => hub.manager.streams.info("LOG"))
    yield* until("all are stored", Effect.map(info, ({ state }) => state.messages === many), "30 seconds")
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
    yield* until("the mirror holds all", Effect.map(alice.held, (held) => held === many), "30 seconds")
    yield* until("all are acknowledged", Effect.map(Effect.promise(() => hub.manager.consumers.info("LOG", "peer-p1")), ({ ack_floor }) => ack_floor.stream_seq === many))
  }), 90_000)

it.live("nothing the hub or the leaf writes to disk is readable by others, and the hub's configuration holds no seed", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
    for (const file of ["nats.conf", "infra/leaf/instance.conf", "leaf.creds", "nats-server.log", "nats-server.pid.json"]) {
      assert.strictEqual(statSync(join(alice.directory, file)).mode & 0o077, 0, file)
    }
    assert.strictEqual(statSync(alice.directory).mode & 0o077, 0)
    const config = readFileSync(join(hub.dir, "hub.conf"), "utf8")
    for (const seed of Object.values(hub.secrets)) if (typeof seed === "string") assert.notInclude(config, seed)
  }), 60_000)
