import { connect, headers, type NatsConnection } from "@nats-io/transport-node"
import { Effect, Exit, Scope } from "effect"
import { startServer } from "../support/natsServer.ts"
import { timed } from "./Row.ts"

/** A bare nats-server as ours are configured (every write synced), driven with nothing of ours in between. */
export interface RawServer {
  /** Milliseconds of each of `count` publishes, one after the other. */
  readonly publishes: (count: number) => Promise<ReadonlyArray<number>>
  /** Milliseconds of each of `count` atomic batches of two, which is what an event and its commit record are. */
  readonly pairs: (count: number) => Promise<ReadonlyArray<number>>
  /** Events a second in atomic batches of 900, one batch in flight. */
  readonly batches: (events: number) => Promise<number>
  readonly close: () => Promise<void>
}

const bodyBytes = 450
const batchEvents = 900

export const rawServer = async (): Promise<RawServer> => {
  const scope = await Effect.runPromise(Scope.make())
  const server = await Effect.runPromise(startServer().pipe(Scope.provide(scope)))
  const nats = await connect({ servers: server.address })
  const body = new Uint8Array(bodyBytes).fill(120)
  await answer(nats, "$JS.API.STREAM.CREATE.RAW", JSON.stringify({ name: "RAW", subjects: ["raw.>"], storage: "file", allow_atomic: true, num_replicas: 1 }))
  let made = 0
  const batch = async (events: number) => {
    const id = `b${made++}`
    const of = (i: number) => {
      const told = headers()
      told.set("Nats-Batch-Id", id)
      told.set("Nats-Batch-Sequence", String(i))
      return told
    }
    for (let i = 1; i < events; i++) nats.publish("raw.many", body, { headers: of(i) })
    const last = of(events)
    last.set("Nats-Batch-Commit", "1")
    await answer(nats, "raw.many", body, last)
  }
  return {
    publishes: (count) => timed(count, () => answer(nats, "raw.one", body)),
    pairs: (count) => timed(count, () => batch(2)),
    batches: async (events) => {
      const count = Math.ceil(events / batchEvents)
      const took = await timed(count, () => batch(batchEvents))
      return count * batchEvents / (took.reduce((sum, one) => sum + one, 0) / 1000)
    },
    close: async () => {
      await nats.close()
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

const answer = async (nats: NatsConnection, subject: string, data: Uint8Array | string, told?: ReturnType<typeof headers>) => {
  const reply = (await nats.request(subject, data, { timeout: 30_000, ...(told && { headers: told }) })).json<{ readonly error?: { readonly description: string } }>()
  if (reply.error !== undefined) throw new Error(`${subject}: ${reply.error.description}`)
}
