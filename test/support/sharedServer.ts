import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import { connect, type Wired } from "../../src/nats/connect.ts"
import { startServer } from "./natsServer.ts"

/** One nats-server and one connection for all tests of a file. */
export const sharedServer = (options: Parameters<typeof startServer>[0] = {}): Effect.Effect<Wired> => {
  const scope = Scope.makeUnsafe()
  let wired: Wired | undefined
  beforeAll(async () => {
    wired = await Effect.runPromise(Scope.provide(
      Effect.flatMap(startServer(options), ({ address }) => connect({ server: address, name: "test" })),
      scope
    ))
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.suspend(() => wired === undefined ? Effect.die(new Error("used outside of a test")) : Effect.succeed(wired))
}
