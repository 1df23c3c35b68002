// Goal: requests are answered by one of those who serve, errors say what to do, nothing is answered that may not be.
// Method: two connections to one real nats-server.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Schedule } from "effect"
import { connect } from "../../src/nats/connect.ts"
import { connectPatiently } from "../../src/nats/connectPatiently.ts"
import { freePort, startServer } from "../support/natsServer.ts"
import { range } from "../support/messages.ts"

/** For an answer that comes. */
const patience = Duration.seconds(20)
const bytes = (body: string) => new TextEncoder().encode(body)
const body = (data: Uint8Array) => new TextDecoder().decode(data)
const anyone = () => true

const pair = Effect.gen(function*() {
  const { address } = yield* startServer({ jetstream: false })
  return { address, asks: yield* connect({ server: address, name: "asks" }), serves: yield* connect({ server: address, name: "serves" }) }
})

describe("connection", () => {
  it.live("a request is answered by whoever serves it, with the subject and the bytes it had", () =>
    Effect.gen(function*() {
      const { asks, serves } = yield* pair
      yield* Effect.forkScoped(serves.serve({ subject: "ingest.*", queue: "q", mayAnswer: anyone, handler: ({ data, subject }) => Effect.succeed(bytes(`${subject} ${body(data)}`)) }))
      const answer = yield* asks.request("ingest.a", bytes("x"), patience).pipe(Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 100 }))
      assert.strictEqual(body(answer), "ingest.a x")
    }))

  it.live("nobody serves: no responders at once; nobody answers: timed out after the time", () =>
    Effect.gen(function*() {
      const { asks, serves } = yield* pair
      assert.strictEqual((yield* Effect.flip(asks.request("nobody", bytes(""), Duration.minutes(1))))._tag, "NoResponders")
      yield* Effect.forkScoped(serves.serve({ subject: "silent", queue: "q", mayAnswer: anyone, handler: () => Effect.never }))
      const error = yield* Effect.flip(asks.request("silent", bytes(""), Duration.millis(50))).pipe(
        Effect.repeat({ until: (error) => error._tag === "RequestTimedOut", schedule: Schedule.spaced("10 millis") })
      )
      assert.strictEqual(error._tag, "RequestTimedOut")
    }))

  it.live("a server that is there and does not greet is waited for; one that is not there is not", () =>
    Effect.gen(function*() {
      const server = yield* startServer({ jetstream: false })
      yield* server.freeze
      const patient = yield* Effect.forkScoped(connectPatiently({ server: server.address, name: "patient" }))
      // in the time in which this one gives up, the other has too, and asks again
      assert.strictEqual((yield* Effect.flip(connect({ server: server.address, name: "hasty" })))._tag, "ConnectFailed")
      yield* server.thaw
      assert.isTrue((yield* Fiber.join(patient)).isUp())
      assert.strictEqual((yield* Effect.flip(connectPatiently({ server: `127.0.0.1:${yield* freePort}`, name: "lost" })))._tag, "ConnectFailed")
    }))

  it.live("a request whose reply may not be answered is not even heard", () =>
    Effect.gen(function*() {
      const { asks, serves } = yield* pair
      const heard: Array<string> = []
      yield* Effect.forkScoped(serves.serve({
        subject: "ingest",
        queue: "q",
        mayAnswer: (reply) => reply.startsWith("_INBOX."),
        handler: ({ data }) => Effect.sync(() => (heard.push(body(data)), data))
      }))
      yield* asks.request("ingest", bytes("mine"), patience).pipe(Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 100 }))
      asks.nats.publish("ingest", "forged", { reply: "log.other.conv.c1" })
      asks.nats.publish("ingest", "no reply")
      yield* asks.request("ingest", bytes("mine too"), patience)
      assert.deepStrictEqual(heard, ["mine", "mine too"])
    }))

  it.live("handlers run at once up to the bound, the rest wait in line", () =>
    Effect.gen(function*() {
      const { asks, serves } = yield* pair
      const open = yield* Deferred.make<void>()
      let running = 0
      let most = 0
      yield* Effect.forkScoped(serves.serve({
        subject: "slow",
        queue: "q",
        concurrency: 3,
        mayAnswer: anyone,
        handler: ({ data }) => Effect.gen(function*() {
          most = Math.max(most, ++running)
          yield* Deferred.await(open)
          running--
          return data
        })
      }))
      // until one is with its handler, which does not answer yet
      yield* asks.request("slow", bytes(""), Duration.millis(20)).pipe(Effect.flip, Effect.repeat({ until: () => running > 0, schedule: Schedule.spaced("10 millis") }))
      const requests = yield* Effect.forkScoped(Effect.forEach(range(0, 10), (i) => asks.request("slow", bytes(`${i}`), patience), { concurrency: "unbounded" }))
      yield* Effect.suspend(() => running === 3 ? Effect.void : Effect.fail("not yet")).pipe(Effect.retry({ schedule: Schedule.spaced("5 millis") }))
      yield* Deferred.succeed(open, undefined)
      assert.deepStrictEqual((yield* Fiber.join(requests)).map(body), range(0, 10).map(String))
      assert.strictEqual(most, 3)
    }))

  it.live("a handler that dies takes the service down, so that somebody notices", () =>
    Effect.gen(function*() {
      const { asks, serves } = yield* pair
      const service = yield* Effect.forkScoped(serves.serve({ subject: "bad", queue: "q", mayAnswer: anyone, handler: () => Effect.die(new Error("a bug")) }))
      // asked until one request has come to the handler
      const asking = asks.request("bad", bytes(""), Duration.millis(100)).pipe(Effect.ignore, Effect.andThen(Effect.sleep("10 millis")), Effect.forever)
      assert.strictEqual((yield* Effect.raceFirst(Fiber.await(service), asking))._tag, "Failure")
    }))

  it.live("a pending request fails as soon as the server is gone", () =>
    Effect.gen(function*() {
      const server = yield* startServer({ jetstream: false })
      const wire = yield* connect({ server: server.address, name: "asks" })
      yield* Effect.forkScoped(wire.serve({ subject: "silent", queue: "q", mayAnswer: anyone, handler: () => Effect.never }))
      const request = yield* Effect.forkScoped(Effect.flip(wire.request("silent", bytes(""), Duration.minutes(5))))
      yield* Effect.sleep("50 millis")
      yield* server.kill
      assert.strictEqual((yield* Fiber.join(request).pipe(Effect.timeout("1 minute")))._tag, "RequestTimedOut")
    }))

  it.live("nobody there, or refused: the hint says which", () =>
    Effect.gen(function*() {
      const nobody = yield* Effect.flip(Effect.scoped(connect({ server: `127.0.0.1:${yield* freePort}`, name: "x" })))
      assert.match(nobody.hint, /start it/)
      const { address } = yield* startServer({ jetstream: false, config: "authorization { user: a, password: secret-one }" })
      const refused = yield* Effect.flip(Effect.scoped(connect({ server: address, name: "x", auth: { user: "a", pass: "secret-two" } })))
      assert.match(refused.hint, /credentials/)
      assert.notInclude(JSON.stringify(refused), "secret-two")
      yield* connect({ server: address, name: "x", auth: { user: "a", pass: "secret-one" } })
    }))
})
