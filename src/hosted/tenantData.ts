import { Effect } from "effect"
import { CommandFailed } from "../../streams/Backend.ts"
import type { TenantData } from "../../streams/TenantData.ts"
import type { Base } from "./Base.ts"
import { erase } from "./erasure.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import { expire } from "./retention.ts"

export const hostedTenantData = (base: Base, own: OwnCommits): TenantData["Service"] => ({
  userOf: (tenant) => Effect.sync(() => base.tenants.peek(tenant)?.user_id ?? null),
  erase: (tenant) => Effect.uninterruptible(erase(base, own, tenant)),
  expire: (tenant) => Effect.mapError(expire(base, own, tenant), () => new CommandFailed({ status: 503, type: "not-reachable", hint: "The log does not answer right now; what is left goes with the next run." }))
})
