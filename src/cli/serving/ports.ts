import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { createServer } from "node:net"
import { failed } from "../failure.ts"

/**
 * The port to listen on: a free one for 0, else the one asked for, if nobody has it. Between this and the listening
 * somebody else could take it; the start then fails with the reason, and the next one picks another.
 */
export const freePort = (wanted: number, flag: string) =>
  wanted !== 0 ? unlessTaken(wanted, flag) : Effect.flatMap(Random.nextIntBetween(anyOf.first, anyOf.last), (port) => unlessTaken(port, flag)).pipe(
    Effect.retry({ while: ({ type }) => type === "port-taken", times: triesMax }))

/** Below those the system gives to outgoing connections (32768 and up on Linux): there every program's next connection may take it meanwhile. */
const anyOf = { first: 25_000, last: 32_767 }
/** Of the ports of a machine where all these are taken, none is free. */
const triesMax = 1000

const unlessTaken = (port: number, flag: string) =>
  Effect.callback<number, ReturnType<typeof failed>>((resume) => {
    const server = createServer()
    server.once("error", (error) =>
      resume(Effect.fail("code" in error && error.code === "EADDRINUSE"
        ? failed("port-taken", `port ${port} is taken by another program`, `Stop that program, or choose another port with ${flag} (0 picks a free one).`)
        : failed("port-refused", `port ${port} cannot be listened on: ${error.message}`, `Choose another port with ${flag} (0 picks a free one).`))))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(port))))
    return Effect.sync(() => server.close())
  })

/** Different free ones: each is only known to be free until somebody takes it. */
export const freePorts = Effect.fnUntraced(function*(count: number) {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(yield* freePort(0, "--port"))
  return [...ports]
})
