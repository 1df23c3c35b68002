import { Effect } from "effect"
import { LogUnavailable } from "../../src/nats/EventLog.ts"
import type { MemoryAccess } from "../../src/nats/memoryLog.ts"
import type { Process } from "./kernel.ts"
import type { Weather } from "./weather.ts"

/**
 * Appends take their time, and now and then the server does not say what became of one. They happen in the order they
 * were asked for, as on one connection.
 */
export const faultsOf = (process: Process, weather: Weather, stream: string): NonNullable<MemoryAccess["faults"]> => {
  const silent = new LogUnavailable({ stream, cause: new Error("no answer") })
  const fails = Effect.suspend(() => weather.failing() ? Effect.fail(silent) : Effect.void)
  const answer = Effect.suspend(() => process.wait(weather.disk()))
  return { before: Effect.catch(fails, (error) => Effect.andThen(answer, Effect.fail(error))), after: Effect.andThen(answer, fails) }
}
