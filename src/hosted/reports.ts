import { Duration, Effect, Option, Queue, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { type PeerPosition, reportPositions } from "../../projections/syncState/queries.ts"
import { PeerId, TenantId, Time } from "../../streams/ids.ts"
import { patterns, subjects } from "../../streams/subjects.ts"
import type { Wired } from "../nats/connect.ts"
import { hear } from "../nats/hear.ts"
import type { Parts } from "./Base.ts"

/** A peer's position as the process told it that was asked for the head. */
const Report = Schema.Struct({ by: Schema.String, tenant: TenantId, peer_id: PeerId, log_seq: Schema.Int, seen_at: Time })
const readReport = Schema.decodeUnknownOption(Schema.fromJsonString(Report))

/** Kept together: a transaction for each report would cost more than the report. */
const keepEvery = Duration.millis(250)

const encoder = new TextEncoder()
const decoder = new TextDecoder()
/** This process among those that hear one another. */
const me = randomBytes(8).toString("hex")

/** Tell the other hosted processes. Unheard, it is told again with the peer's next report. */
export const tellReport = ({ connection }: Pick<Parts, "connection">, tenant: string, { log_seq, peer_id, seen_at }: PeerPosition): Effect.Effect<void> =>
  connection.publish(subjects.position(tenant), encoder.encode(JSON.stringify({ by: me, tenant, peer_id, log_seq, seen_at } satisfies typeof Report.Type)))

/** Keep what the others were told, for ever: whichever process is asked how far a write has come, knows. */
export const keepReports = (base: Pick<Parts, "ask" | "tenants">, wire: Wired): Effect.Effect<never> =>
  Effect.scoped(Effect.flatMap(hear(wire, patterns.position), (heard) =>
    Effect.forever(Effect.gen(function*() {
      const reports = (yield* Queue.takeAll(heard)).flatMap((data) => Option.toArray(readReport(decoder.decode(data)))).filter(({ by, tenant }) => by !== me && base.tenants.peek(tenant) !== undefined)
      for (const [tenant, all] of Map.groupBy(reports, ({ tenant }) => tenant)) yield* base.ask(reportPositions(tenant, newest(all)))
      yield* Effect.sleep(keepEvery)
    }))))

/** The last of each peer. */
const newest = (reports: ReadonlyArray<PeerPosition>): ReadonlyArray<PeerPosition> =>
  [...new Map(reports.map(({ log_seq, peer_id, seen_at }) => [peer_id, { peer_id, log_seq, seen_at }])).values()]
