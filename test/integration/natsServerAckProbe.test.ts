import { it } from "@effect/vitest"
import { Effect, SubscriptionRef } from "effect"
import { admit, makeHub, makePeer, until } from "../support/hubRig.ts"
import { rawLeaf } from "../support/rawLeaf.ts"
import { subjects } from "../../streams/subjects.ts"
it.live("x", () => Effect.gen(function*() {
  const hub = yield* makeHub()
  const bob = yield* makePeer(hub, yield* admit(hub, "bob", "p2"))
  const m = yield* admit(hub, "mallory", "p3")
  yield* hub.publish(subjects.logConversation("bob", "c9"), "1")
  yield* until("1", Effect.map(bob.held, (h) => h === 1))
  const s = SubscriptionRef.getUnsafe(bob.server.state)
  const pid = s._tag === "running" ? s.pid : 0
  yield* Effect.sleep("500 millis")
  process.kill(pid, "SIGSTOP")
  for (let i = 2; i <= 11; i++) yield* hub.publish(subjects.logConversation("bob", "c9"), String(i))
  const info = Effect.promise(() => hub.manager.consumers.info("LOG", "peer-p2"))
  const show = (what: string) => Effect.map(info, (c) => console.log(what, JSON.stringify([c.delivered, c.ack_floor, c.num_ack_pending, c.num_pending])))
  yield* show("before")
  const leaf = yield* rawLeaf(hub.leafPort, { jwt: m.jwt, seed: m.key.seed })
  for (let i = 2; i <= 11; i++) leaf.publish(`$JS.ACK.LOG.peer-p2.1.${i}.${i}.1700000000000000000.0`, "")
  yield* leaf.flush
  yield* Effect.sleep("300 millis")
  console.log(leaf.refused, leaf.closed())
  yield* show("after forged acks")
  process.kill(pid, "SIGKILL")
  yield* Effect.sleep("6 seconds")
  yield* show("after bob's return")
  console.log("bob holds", yield* bob.held, "of 11")
}), 30000)
