import { Effect } from "effect"
import { LogUnavailable } from "../../src/nats/EventLog.ts"
import type { MemoryAccess } from "../../src/nats/memoryLog.ts"
import type { Process } from "./kernel.ts"
import type { Weather } from "./weather.ts"

/** Appends take their time, and now and then the server does not say what became of one. */
export const faultsOf = (process: Process, weather: Weather, stream: string): NonNullable<MemoryAccess["faults"]> => {
  const silent = new LogUnavailable({ stream, cause: new Error("no answer") })
  const step = Effect.suspend(() => Effect.andThen(process.wait(weather.disk()), Effect.suspend(() => weather.failing() ? Effect.fail(silent) : Effect.void)))
  return { before: step, after: step }
}
