import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Observing, type PeerDebug, type PeerMetrics } from "../../../../streams/Observing.ts"
import { checkId } from "../../checks.ts"
import { Reads } from "../../Reads.ts"
import { Api } from "../api.ts"
import type { Dashboard } from "../api/observing.ts"
import { checked, invalid } from "../body.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"

const hoursDefault = 24
/** As far as the dashboard's longest range goes. */
const hoursMax = 24 * 30

/** How it goes: peers, why one is not in step, and what telemetry adds up to. */
export const observingHandlers = HttpApiBuilder.group(Api, "observing", Effect.fn(function*(handlers) {
  const observing = yield* Observing
  const reads = yield* Reads
  return handlers.handleAll({
    allMetrics: ({ query }) => Effect.map(observing.all(query.tenant), (peers) => json({ peers })),
    metrics: ({ params }) =>
      Effect.gen(function*() {
        const peer = yield* checked("peer_id", params.peer_id, checkId)
        return json<PeerMetrics>(yield* refused(observing.metrics(peer)))
      }),
    debugSync: ({ params }) =>
      Effect.gen(function*() {
        const peer = yield* checked("peer_id", params.peer_id, checkId)
        return json<PeerDebug>(yield* refused(observing.debug(peer)))
      }),
    dashboard: ({ query }) =>
      Effect.gen(function*() {
        const { hours = hoursDefault, tenant } = query
        if (hours < 1 || hours > hoursMax) return yield* invalid("hours", `hours is not between 1 and ${hoursMax}.`, "Leave it out for the last day.")
        const { online, total } = yield* observing.presence(tenant)
        return json<typeof Dashboard.Type>({ total_peers: total, online_peers: online, ...yield* refused(reads.dashboard(tenant, hours)) })
      })
  })
}))
