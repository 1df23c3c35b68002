import { connect, headers, type NatsConnection } from "@nats-io/transport-node"
import { Effect, Exit, Scope } from "effect"
import { startServer } from "../support/natsServer.ts"

/** A bare nats-server as ours are configured (every write synced), driven with nothing of ours in between. */
export interface RawServer {
  /** Milliseconds of each of `count` publishes, one after the other. */
  readonly publishes: (count: number) => Promise<ReadonlyArray<number>>
  /** Events a second in atomic batches, one batch in flight. */
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
  let batch = 0
  return {
    publishes: async (count) => {
      const took: Array<number> = []
      for (let i = 0; i < count; i++) {
        const before = performance.now()
        await answer(nats, "raw.one", body)
        took.push(performance.now() - before)
      }
      return took
    },
    batches: async (events) => {
      const before = performance.now()
      for (let sent = 0; sent < events; sent += batchEvents) {
        const id = `b${batch++}`
        const of = (i: number) => {
          const told = headers()
          told.set("Nats-Batch-Id", id)
          told.set("Nats-Batch-Sequence", String(i))
          return told
        }
        for (let i = 1; i < batchEvents; i++) nats.publish("raw.many", body, { headers: of(i) })
        const last = of(batchEvents)
        last.set("Nats-Batch-Commit", "1")
        await answer(nats, "raw.many", body, last)
      }
      return Math.ceil(events / batchEvents) * batchEvents / ((performance.now() - before) / 1000)
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
