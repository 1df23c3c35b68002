import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Alerts, type Silence } from "../../../../streams/alerts.ts"
import { Audit } from "../../../../streams/Audit.ts"
import { alertKinds, isAlertKind } from "../../../../streams/alertRules.ts"
import { Observing, type PeerDebug, type PeerMetrics } from "../../../../streams/Observing.ts"
import { checkId } from "../../checks.ts"
import { Reads } from "../../Reads.ts"
import { Api } from "../api.ts"
import { type Dashboard, silenceMinutesMax } from "../api/observing.ts"
import { checked, invalid, jsonOf } from "../body.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"

const hoursDefault = 24
/** As far as the dashboard's longest range goes. */
const hoursMax = 24 * 30

/** How it goes: peers, why one is not in step, and what telemetry adds up to. */
export const observingHandlers = HttpApiBuilder.group(Api, "observing", Effect.fn(function*(handlers) {
  const observing = yield* Observing
  const alerts = yield* Alerts
  const reads = yield* Reads
  const audit = yield* Audit
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
    checks: () => Effect.map(observing.checks, (checks) => json({ checks })),
    alerts: () => Effect.map(alerts.list, (list) => json(list)),
    dashboard: ({ query }) =>
      Effect.gen(function*() {
        const { hours = hoursDefault, tenant } = query
        if (hours < 1 || hours > hoursMax) return yield* invalid("hours", `hours is not between 1 and ${hoursMax}.`, "Leave it out for the last day.")
        const { online, total } = yield* observing.presence(tenant)
        return json<typeof Dashboard.Type>({ total_peers: total, online_peers: online, ...yield* refused(reads.dashboard(tenant, hours)) })
      })
  }).handleRaw("silence", ({ request }) =>
    Effect.gen(function*() {
      const { kind = null, minutes, subject = null } = yield* jsonOf(request)
      if (typeof minutes !== "number" || !(minutes >= 0 && minutes <= silenceMinutesMax)) return yield* invalid("minutes", `minutes is not a number between 0 and ${silenceMinutesMax}.`, "Say for how long; 0 ends a silence.")
      if (kind !== null && !(typeof kind === "string" && isAlertKind(kind))) return yield* invalid("kind", `kind is none of ${alertKinds.join(", ")}.`, "Leave it out to silence all kinds.")
      if (subject !== null && typeof subject !== "string") return yield* invalid("subject", "subject is not a text.", "Send the peer id of an alert, or leave it out.")
      const silence = yield* alerts.silence({ kind, subject, minutes })
      yield* audit.record({ type: "command.given", data: { command: "silence" } })
      return json<Silence>(silence)
    }))
}))
