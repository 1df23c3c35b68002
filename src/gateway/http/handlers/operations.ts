import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { HostedControl, LocalControl, Maintenance, selfTenant } from "../../../../streams/Backend.ts"
import { Reads } from "../../Reads.ts"
import { tenantNamed } from "../access.ts"
import { Api } from "../api.ts"
import { type Problem, refused } from "../problems.ts"
import { json, ndjson } from "../respond.ts"

/** What differs between the sides in looking after a backend. */
interface Side {
  readonly status: Effect.Effect<object>
  readonly peers: Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>, Problem>
  /** Whose log `verify` reads. */
  readonly tenant: (given: string | undefined) => Effect.Effect<string, Problem>
}

const operations = <R>(side: Effect.Effect<Side, never, R>) =>
  HttpApiBuilder.group(Api, "operations", Effect.fn(function*(handlers) {
    const { peers, status, tenant } = yield* side
    const maintenance = yield* Maintenance
    return handlers.handleAll({
      status: () => Effect.map(status, (facts) => json<object>(facts)),
      peers: () => Effect.map(peers, (list) => json({ peers: list })),
      verify: ({ query }) => Effect.flatMap(tenant(query.tenant), (one) => ndjson(maintenance.verify(one))),
      rebuild: () => ndjson(maintenance.rebuild)
    })
  }))

export const localOperations = operations(Effect.gen(function*() {
  const control = yield* LocalControl
  const reads = yield* Reads
  return { status: control.status, peers: Effect.suspend(() => refused(reads.peers(selfTenant))), tenant: () => Effect.succeed(selfTenant) }
}))

export const hostedOperations = operations(
  Effect.map(HostedControl, (control) => ({ status: control.status, peers: control.peers, tenant: tenantNamed }))
)
