// Goal: a peer with true credentials reaches its own tenant's subjects and nothing else, whatever it sends.
// Method: a real hub, two honest neighbours with mirrors, and one attacker twice: through a nats-server of its own and
// speaking the leaf protocol by hand. After every row the log is unchanged and the neighbours' mirrors go on.
import { assert, describe, layer } from "@effect/vitest"
import { jetstreamManager } from "@nats-io/jetstream"
import { Context, Effect, Layer } from "effect"
import { subjects } from "../../streams/subjects.ts"
import { admit, answerTo, anyAnswer, type Hub, makeHub, makePeer, type Peer, until } from "../support/hubRig.ts"
import { rawLeaf } from "../support/rawLeaf.ts"

/** `T`, `P` stand for the attacker's tenant and peer; `bob`, `p2` are a neighbour. */
interface Attack {
  readonly name: string
  readonly subject: string
  readonly body?: string
  readonly reply?: string
}

const reset = (peer: string) => `store.CONSUMER.RESET.LOG.peer-${peer}`
const forged = `{"type":"message.appended"}`

const requests: ReadonlyArray<Attack> = [
  ...["STREAM.INFO.LOG", "STREAM.PURGE.LOG", "STREAM.DELETE.LOG", "STREAM.SNAPSHOT.LOG", "STREAM.NAMES", "CONSUMER.CREATE.LOG", "CONSUMER.DELETE.LOG.peer-p2", "CONSUMER.RESET.LOG.peer-p2", "CONSUMER.PAUSE.LOG.peer-p2", "CONSUMER.INFO.LOG.peer-p2", "CONSUMER.MSG.NEXT.LOG.peer-p2", "STREAM.LEADER.STEPDOWN.LOG"]
    .flatMap((api) => ["$JS.API", "$JS.hub.API", "store"].map((prefix) => ({ name: `${prefix}.${api}`, subject: `${prefix}.${api}`, body: `{"seq":6}` }))),
  { name: "read a message", subject: "$JS.hub.API.STREAM.MSG.GET.LOG", body: `{"seq":1}` },
  { name: "read a message directly", subject: "$JS.hub.API.DIRECT.GET.LOG.log.bob.conv.c9" },
  { name: "make a stream of its own", subject: "$JS.hub.API.STREAM.CREATE.EVIL", body: `{"name":"EVIL","subjects":["evil"]}` },
  { name: "change the log's settings", subject: "$JS.hub.API.STREAM.UPDATE.LOG", body: `{"name":"LOG","subjects":["log.>"],"deny_delete":false}` },
  { name: "publish to a neighbour's conversation", subject: subjects.logConversation("bob", "c9"), body: forged },
  { name: "publish to its own conversation, past ingest", subject: subjects.logConversation("T", "c1"), body: forged },
  { name: "publish a neighbour's commit record", subject: subjects.logCommit("bob", "p2"), body: forged },
  { name: "commit as another tenant's peer", subject: subjects.ingest("bob", "p2", "commit"), body: forged },
  { name: "commit as another peer of its tenant", subject: subjects.ingest("T", "p2", "commit"), body: forged },
  { name: "commit under another tenant as itself", subject: subjects.ingest("bob", "P", "commit"), body: forged },
  { name: "an ingest verb that is none", subject: "ingest.T.P.admin", body: forged },
  { name: "deliver to a neighbour's mirror", subject: subjects.deliver("p2"), body: forged },
  { name: "deliver to its own mirror", subject: subjects.deliver("P"), body: forged },
  { name: "flow control of a neighbour", subject: "$JS.FC.LOG.peer-p2.abc" },
  { name: "flow control of a neighbour, newer form", subject: "$JS.FC.hub.abc.LOG.peer-p2.abc" },
  { name: "acknowledge for a neighbour", subject: "$JS.ACK.LOG.peer-p2.1.999.999.1700000000000000000.0" },
  { name: "acknowledge for a neighbour, newer form", subject: "$JS.ACK.hub.abc.LOG.peer-p2.1.999.999.1700000000000000000.0" },
  { name: "answer in a hosted process's inbox", subject: "_INBOX.h_00000000000000000000.x", body: forged },
  { name: "answer in a neighbour's inbox", subject: "_INBOX.p2.x", body: forged },
  { name: "write into the server's reply subjects", subject: "_R_.abcdef", body: forged },
  { name: "announce resets", subject: "$JSC.R.LOG", body: forged },
  { name: "update an account", subject: "$SYS.REQ.CLAIMS.UPDATE", body: "x" },
  { name: "ask the server for its connections", subject: "$SYS.REQ.SERVER.PING.CONNZ" },
  { name: "ask for its own user's details", subject: "$SYS.REQ.USER.INFO" },
  { name: "write a key-value store", subject: "$KV.TENANTS.bob", body: forged }
]

const replies: ReadonlyArray<Attack> = [
  subjects.ingest("T", "P", "commit"),
  reset("P"),
  "$JS.FC.LOG.peer-P.abc",
  "$JS.ACK.LOG.peer-P.1.1.1.1700000000000000000.0"
].flatMap((subject) =>
  [
    subjects.logConversation("bob", "c9"),
    subjects.logCommit("bob", "p2"),
    subjects.ingest("bob", "p2", "commit"),
    subjects.deliver("p2"),
    "$JS.API.STREAM.PURGE.LOG",
    "$JS.API.STREAM.DELETE.LOG",
    "$JS.API.CONSUMER.DELETE.LOG.peer-p2",
    "$JS.ACK.LOG.peer-p2.1.999.999.1700000000000000000.0",
    "_INBOX.p2.x",
    "_R_.abcdef",
    "$SYS.REQ.CLAIMS.UPDATE"
  ].map((reply) => ({ name: `${subject} answered to ${reply}`, subject, reply, body: subject.startsWith("store") ? `{"seq":1}` : forged }))
)

const eavesdrops = [">", "log.>", "ingest.>", "deliver.>", subjects.deliver("p2"), "_INBOX.>", "_INBOX.p2.>", "_INBOX.*.>", "_R_.>", "$JS.>", "$JS.API.>", "$SYS.>", "$KV.>", "store.>", "telemetry.>", "audit.>", "*.*.*.*"]

interface Neighbourhood {
  readonly hub: Hub
  readonly alice: Peer
  readonly bob: Peer
  readonly mallory: Effect.Success<ReturnType<typeof admit>>
}
class Room extends Context.Service<Room, Neighbourhood>()("test/Room") {
  static readonly layer = Layer.effect(
    Room,
    Effect.gen(function*() {
      const hub = yield* makeHub()
      const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
      const bob = yield* makePeer(hub, yield* admit(hub, "bob", "p2"))
      const mallory = yield* admit(hub, "mallory", "p3")
      for (let i = 0; i < 30; i++) yield* hub.publish(subjects.logConversation("alice", "c1"), `e${i}`)
      yield* hub.publish(subjects.logConversation("bob", "c9"), "bob's")
      yield* until("alice's mirror holds 30", Effect.map(alice.held, (held) => held === 30))
      yield* until("bob's mirror holds 1", Effect.map(bob.held, (held) => held === 1))
      return { hub, alice, bob, mallory }
    })
  )
}

const as = (text: string, tenant: string, peer: string) => text.replaceAll(/\bT\b/g, tenant).replaceAll(/\bP\b/g, peer)

/** The neighbours' mirrors still grow by what is written for them, and the log holds nothing but that. */
const goOn = ({ alice, bob, hub }: Neighbourhood, before: string) =>
  Effect.gen(function*() {
    assert.strictEqual(yield* hub.digest, before)
    const held = [yield* alice.held, yield* bob.held] as const
    yield* hub.publish(subjects.logConversation("alice", "c1"), "more")
    yield* hub.publish(subjects.logConversation("bob", "c9"), "more")
    yield* until("alice's mirror goes on", Effect.map(alice.held, (now) => now === held[0] + 1))
    yield* until("bob's mirror goes on", Effect.map(bob.held, (now) => now === held[1] + 1))
  })

layer(Room.layer, { excludeTestServices: true, timeout: "240 seconds" })("with true credentials of its own, a peer", (it) => {
  it.effect("sends its commits and is answered, reads its own mirror", () =>
    Effect.gen(function*() {
      const { alice } = yield* Room
      for (const what of ["commit", "telemetry", "head"] as const) {
        assert.strictEqual(yield* answerTo(alice.agent, subjects.ingest("alice", "p1", what), "x", anyAnswer), "committed")
      }
    }))

  describe("asking through its own nats-server", () => {
    it.effect.each(requests)("gets no answer: $name", (attack) =>
      Effect.gen(function*() {
        const room = yield* Room
        const before = yield* room.hub.digest
        const answer = yield* answerTo(room.alice.agent, as(attack.subject, "alice", "p1"), as(attack.body ?? "", "alice", "p1"), 300)
        // its own server answers for itself on $JS.API and $SYS.REQ; anything else would come from the hub
        if (/^\$(JS\.API|SYS\.REQ)\./.test(attack.subject)) assert.notMatch(answer ?? "", /"LOG"|"hub1"|"hub"/)
        else assert.isUndefined(answer)
        yield* goOn(room, before)
      }))

    it.effect.each(replies)("changes nothing: $name", (attack) =>
      Effect.gen(function*() {
        const room = yield* Room
        const before = yield* room.hub.digest
        room.alice.agent.publish(as(attack.subject, "alice", "p1"), attack.body, { reply: attack.reply! })
        yield* Effect.promise(() => room.alice.agent.flush())
        assert.strictEqual(yield* answerTo(room.alice.agent, subjects.ingest("alice", "p1", "head"), "", anyAnswer), "committed")
        yield* goOn(room, before)
      }))
  })

  describe("speaking the leaf protocol by hand", () => {
    it.effect("is let in, and answered where it may ask", () =>
      Effect.gen(function*() {
        const { hub, mallory } = yield* Room
        const leaf = yield* rawLeaf(hub.leafPort, { jwt: mallory.jwt, seed: mallory.key.seed })
        leaf.subscribe("_INBOX.p3.>")
        leaf.publish(subjects.ingest("mallory", "p3", "commit"), "x", "_INBOX.p3.1")
        yield* until("answered", Effect.sync(() => leaf.heard.includes("_INBOX.p3.1")))
        assert.isFalse(leaf.closed())
      }))

    it.effect.each([...requests, ...replies])("changes nothing, hears nothing: $name", (attack) =>
      Effect.gen(function*() {
        const room = yield* Room
        const before = yield* room.hub.digest
        const leaf = yield* rawLeaf(room.hub.leafPort, { jwt: room.mallory.jwt, seed: room.mallory.key.seed })
        leaf.subscribe("_INBOX.p3.>")
        leaf.publish(as(attack.subject, "mallory", "p3"), as(attack.body ?? "", "mallory", "p3"), attack.reply ?? "_INBOX.p3.1")
        yield* goOn(room, before)
        // the hub throws out who oversteps; who is still there is answered where it may ask, after anything the attack was answered with
        leaf.publish(subjects.ingest("mallory", "p3", "head"), "x", "_INBOX.p3.last")
        yield* until("thrown out, or answered once more", Effect.sync(() => leaf.closed() || leaf.heard.includes("_INBOX.p3.last")))
        assert.deepStrictEqual(leaf.heard.filter((subject) => subject !== "_INBOX.p3.last"), [])
        // these two the server takes from any leaf, and delivers to nobody
        const tolerated = attack.reply !== undefined || /^(\$JS\.ACK|_R_)\./.test(attack.subject)
        assert.strictEqual(leaf.closed(), !tolerated)
      }))

    it.effect.each(eavesdrops.map((subject) => ({ subject })))("hears nothing on $subject", ({ subject }) =>
      Effect.gen(function*() {
        const room = yield* Room
        const before = yield* room.hub.digest
        const leaf = yield* rawLeaf(room.hub.leafPort, { jwt: room.mallory.jwt, seed: room.mallory.key.seed })
        leaf.subscribe(subject)
        leaf.subscribe(subject, "ingest")
        yield* leaf.flush
        // a neighbour's request would be stolen if the hub took the queue subscription
        for (let i = 0; i < 5; i++) assert.strictEqual(yield* answerTo(room.bob.agent, subjects.ingest("bob", "p2", "commit"), "x", anyAnswer), "committed")
        yield* goOn(room, before)
        yield* leaf.flush
        assert.deepStrictEqual(leaf.heard, [])
      }))

    it.effect("with the hub's own JetStream domain, stands in for nothing", () =>
      Effect.gen(function*() {
        const room = yield* Room
        const before = yield* room.hub.digest
        const leaf = yield* rawLeaf(room.hub.leafPort, { jwt: room.mallory.jwt, seed: room.mallory.key.seed, domain: "hub" })
        for (const subject of ["$JS.API.>", "$JS.hub.API.>"]) leaf.subscribe(subject)
        yield* leaf.flush
        yield* Effect.promise(async () => (await jetstreamManager(room.hub.store)).streams.info("LOG"))
        yield* goOn(room, before)
        assert.deepStrictEqual(leaf.heard, [])
      }))
  })
})
