// Run by natsServerProcess.test.ts: supervises a nats-server and says its pid, until somebody kills this process.
import { Effect, SubscriptionRef } from "effect"
import { startServer } from "../../src/nats/ServerProcess.ts"

const [binary = "", configFile = "", runDir = ""] = process.argv.slice(2)
await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const server = yield* startServer({ binary, configFile, runDir })
  process.stdout.write(`${JSON.stringify(SubscriptionRef.getUnsafe(server.state))}\n`)
  return yield* Effect.never
})))
