import { Effect } from "effect"
import type { Audit } from "../../../streams/Audit.ts"
import { selfTenant } from "../../../streams/Backend.ts"
import type { Asking } from "./caller.ts"
import { gatewayNameOf, Problem } from "./problems.ts"

type Auditing = Pick<Audit["Service"], "count">

/** Audit that somebody was not let in, or not let do it. Whom the backend behind the gateway does not let in it audits itself. */
export const auditRefusal = (audit: Auditing, refusal: Problem, asking?: Asking): Effect.Effect<void> => {
  const reason = gatewayNameOf(refusal) ?? (asking === undefined ? undefined : refusal.type.split(":").at(-1))
  if (reason === undefined || (refusal.status !== 401 && refusal.status !== 403)) return Effect.void
  const tenant = asking?.tenant === undefined || asking.tenant === selfTenant || asking.tenant === "" ? {} : { tenant: asking.tenant }
  return audit.count({ type: "request.refused", by: actorOf(asking), ...tenant, data: { reason } })
}

/** Whoever asks, in the audit: the operator, the person at the machine, or a device by its backend id. */
export const actorOf = (asking: Asking | undefined): string => asking === undefined ? "nobody" : asking.kind === "device" ? asking.via ?? "self" : asking.by ?? asking.kind

/** The same, and its refusals are audited. */
export const audited = (audit: Auditing, asking?: Asking) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapError(effect, (error) => {
    const refusal = problemIn(error)
    return refusal === undefined ? Effect.void : auditRefusal(audit, refusal, asking)
  })

/** What a handler fails with comes wrapped to the gate in front of it. */
const problemIn = (error: unknown): Problem | undefined => {
  const inner = typeof error === "object" && error !== null && "error" in error ? error.error : error
  return inner instanceof Problem ? inner : undefined
}
