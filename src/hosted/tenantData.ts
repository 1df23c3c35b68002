import { Effect } from "effect"
import { CommandFailed } from "../../streams/Backend.ts"
import type { TenantData } from "../../streams/TenantData.ts"
import type { Base } from "./Base.ts"
import { erase } from "./erasure.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import { expire } from "./retention.ts"

export const hostedTenantData = (base: Base, own: OwnCommits): TenantData["Service"] => ({
  userOf: (tenant) =>
    Effect.suspend(() => {
      const record = base.tenants.peek(tenant)
      return record === undefined
        ? Effect.fail(new CommandFailed({ status: 404, type: "unknown-tenant", hint: "There is no such tenant here; `maestra hosted peers` lists them." }))
        : Effect.succeed(record.user_id === "" ? null : record.user_id)
    }),
  erase: (tenant) => Effect.uninterruptible(erase(base, own, tenant)),
  expire: (tenant) => Effect.mapError(expire(base, own, tenant), () => new CommandFailed({ status: 503, type: "not-reachable", hint: "The log does not answer right now; what is left goes with the next run." }))
})
