import { TimeoutError } from "@nats-io/transport-node"
import { Effect, Schedule } from "effect"
import { connect, type ConnectOptions } from "./connect.ts"
import type { ConnectFailed } from "./Connection.ts"

/** It took the connection and did not greet: a busy machine, or a frozen process. Nobody there, or refused, is another matter. */
const isSlow = ({ cause }: ConnectFailed): boolean => cause instanceof TimeoutError

const askAgainAfter = Schedule.spaced("500 millis")
/** Our own server may have just ended: its supervisor starts it again. */
const ownRetries = Schedule.max([askAgainAfter, Schedule.recurs(10)])

/** `connect`, again and again, and saying so, for as long as a server is there and has not greeted. */
export const connectPatiently = (options: ConnectOptions) =>
  connect(options).pipe(
    Effect.tapError((error) => isSlow(error) ? Effect.logWarning(`the nats-server at ${error.server} is there and has not greeted yet; asking again`) : Effect.void),
    Effect.retry({ schedule: askAgainAfter, while: isSlow }))

/** The same to the server that this process started and keeps running. */
export const connectToOwn = (server: { readonly clientPort: number }, options: Omit<ConnectOptions, "server">) =>
  connectPatiently({ ...options, server: `127.0.0.1:${server.clientPort}` }).pipe(Effect.retry(ownRetries))
