// Goal: a hub that lies (a leaf token without any limits) neither reads nor writes what is private on the local machine.
// Method: a real local server paired with such a token, a journal with unsynced events, and an intruder inside the hub.
import { assert, it } from "@effect/vitest"
import { AckPolicy, jetstream } from "@nats-io/jetstream"
import * as jwt from "@nats-io/jwt"
import { createUser } from "@nats-io/nkeys"
import { Effect } from "effect"
import { streams } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { keyOf, seedOf } from "../../src/nats/hubSecrets.ts"
import { credsFile } from "../../src/nats/leafCredentials.ts"
import { admit, answerTo, dial, type Hub, makeHub, makePeer, until } from "../support/hubRig.ts"

/** A user of PEERS that may do everything. */
const unlimited = (hub: Hub, kinds: Array<jwt.ConnectionType>) =>
  Effect.promise(async () => {
    const key = createUser()
    const token = await jwt.encodeUser("wide", key, keyOf(hub.secrets.peersSigning), {
      issuer_account: keyOf(hub.secrets.peers).getPublicKey(),
      subs: -1,
      data: -1,
      payload: -1,
      allowed_connection_types: kinds
    })
    return credsFile(token, seedOf(key))
  })

it.live("with a token without limits, the deny lists still keep the hub out, and the mirror fills", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const admitted = yield* admit(hub, "alice", "p1")
    const alice = yield* makePeer(hub, { ...admitted, creds: yield* unlimited(hub, ["LEAFNODE"]) })
    const own = yield* dial(alice.server.clientPort, { ...alice.config.agent, inboxPrefix: "_INBOX.agent" })
    const journal = jetstream(own)
    yield* Effect.promise(() => alice.local.streams.add({ name: streams.journal.name, subjects: [...streams.journal.subjects], deny_delete: true }))
    yield* Effect.promise(() => alice.local.consumers.add(streams.journal.name, { durable_name: "relay", ack_policy: AckPolicy.All }))
    yield* Effect.promise(() => journal.publish(subjects.journalConversation("c1"), "before redaction"))

    const intruder = yield* dial(hub.server.clientPort, { creds: yield* unlimited(hub, ["STANDARD"]), noEcho: true, inboxPrefix: "_INBOX.intruder" })
    const heard: Array<string> = []
    intruder.subscribe(">", { callback: (_error, message) => void heard.push(message.subject) })
    yield* Effect.promise(() => intruder.flush())

    // life on the local machine: write, read by pull, telemetry, a request within the machine
    yield* Effect.promise(async () => {
      const reader = await journal.consumers.get(streams.journal.name, "relay")
      await journal.publish(subjects.journalConversation("c1"), "before redaction, 2")
      const read = await reader.fetch({ max_messages: 2, expires: 1000 })
      for await (const message of read) if (message.seq === 2) break
      own.publish(subjects.telemetryOut("capture"), "metadata")
      own.publish(subjects.journalSettings, "settings")
      own.subscribe("_INBOX.agent.one", { callback: () => undefined })
      await own.flush()
      own.publish("_INBOX.agent.one", "an answer within the machine")
      await own.flush()
    })
    const relay = Effect.promise(() => alice.local.consumers.info(streams.journal.name, "relay"))
    const before = yield* relay

    const forgeries = [
      subjects.journalConversation("c1"),
      subjects.logConversation("alice", "c1"),
      subjects.telemetryOut("capture"),
      "$JS.ACK.JOURNAL.relay.1.2.2.1700000000000000000.0",
      "$JS.ACK.l_p1.abc.JOURNAL.relay.1.2.2.1700000000000000000.0",
      "$JS.FC.JOURNAL.relay.abc",
      "_INBOX.agent.one",
      "$KV.anything.key"
    ]
    const reached: Array<string> = []
    own.subscribe(">", { callback: (_error, message) => void (message.string() === "forged" && reached.push(message.subject)) })
    yield* Effect.promise(() => own.flush())
    for (const subject of forgeries) intruder.publish(subject, "forged")
    for (const subject of ["$JS.API", "$JS.l_p1.API"].flatMap((api) => [`${api}.STREAM.PURGE.JOURNAL`, `${api}.STREAM.DELETE.MIRROR`, `${api}.STREAM.INFO.JOURNAL`, `${api}.CONSUMER.DELETE.JOURNAL.relay`])) {
      assert.isUndefined(yield* answerTo(intruder, subject, "", 300), subject)
    }
    yield* Effect.promise(() => intruder.flush())

    // what the hub sends after the forgeries arrives after them
    yield* hub.publish(subjects.logConversation("alice", "c1"), "true")
    yield* until("the mirror holds the one true event", Effect.map(alice.held, (held) => held === 1))
    // whatever was sent to either before is heard now
    yield* Effect.promise(() => Promise.all([own.flush(), intruder.flush()]))
    assert.deepStrictEqual(reached, [])
    const state = yield* Effect.promise(async () => (await alice.local.streams.info(streams.journal.name)).state)
    assert.strictEqual(state.messages, 3)
    const after = yield* relay
    assert.deepStrictEqual([after.ack_floor.stream_seq, after.num_ack_pending], [before.ack_floor.stream_seq, before.num_ack_pending])
    // the hub's own delivery keeps the subject it has in the LOG; the rest is what the mirror and requests need
    const known = /^(deliver\.p1\.log$|\$JS\.(FC|ACK)\.(hub\.[^.]+\.)?LOG\.|\$JSC\.R\.|_R_\.|_INBOX\.(p1|intruder)\.|store\.)/
    assert.deepStrictEqual(heard.filter((subject) => !known.test(subject)), [subjects.logConversation("alice", "c1")])
  }))
