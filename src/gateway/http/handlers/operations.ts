import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Keys, type Rotated } from "../../../../streams/Access.ts"
import { Audit } from "../../../../streams/Audit.ts"
import { HostedControl, LocalControl, Maintenance, selfTenant } from "../../../../streams/Backend.ts"
import { noTenant } from "../../../../streams/subjects.ts"
import { readLimit } from "../../conditions.ts"
import { Reads } from "../../Reads.ts"
import { tenantNamed } from "../access.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf } from "../body.ts"
import { type Problem, problem, refused } from "../problems.ts"
import { json, ndjson } from "../respond.ts"
import type { AuditAnswer } from "../wire.ts"

const cursorPattern = /^[1-9][0-9]{0,15}$/
const badCursor = problem("cursor-invalid", "from is no place in the audit.", "Use next_cursor of a page, or leave it out for the newest entries.", { field: "from" })

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
    const audit = yield* Audit
    const keys = yield* Keys
    return handlers.handleAll({
      status: () => Effect.map(status, (facts) => json<object>(facts)),
      peers: () => Effect.map(peers, (list) => json({ peers: list })),
      keys: () => Effect.map(keys.list, (rows) => json({ keys: rows })),
      audit: ({ query }) =>
        Effect.gen(function*() {
          const limit = yield* readLimit(query.limit)
          const { from, tenant } = query
          if (from !== undefined && !cursorPattern.test(from)) return yield* badCursor
          if (tenant !== undefined && tenant !== noTenant) yield* tenantNamed(tenant)
          const { cursor, entries } = yield* refused(audit.read({ limit, ...(from === undefined ? {} : { from }), ...(tenant === undefined ? {} : { tenant }) }))
          return json<typeof AuditAnswer.Type>({ entries, next_cursor: cursor })
        }),
      verifyAudit: () => ndjson(audit.verify),
      verify: ({ query }) => Effect.flatMap(tenant(query.tenant), (one) => ndjson(maintenance.verify(one))),
      rebuild: () => Effect.andThen(audit.record({ type: "command.given", data: { command: "rebuild" } }), ndjson(maintenance.rebuild))
    }).handleRaw("rotateKeys", ({ request }) =>
      Effect.gen(function*() {
        const { which = "identity" } = yield* jsonOf(request)
        if (typeof which !== "string") return yield* invalid("which", "which is not a text.", "Leave it out, or send identity.")
        const rotated = yield* refused(keys.rotate(which))
        yield* audit.record({ type: "key.rotated", data: { of: which === "identity" ? "backend" : which, key_id: rotated.key_id } })
        return json<Rotated>(rotated)
      }))
  }))

export const localOperations = operations(Effect.gen(function*() {
  const control = yield* LocalControl
  const reads = yield* Reads
  return { status: control.status, peers: Effect.suspend(() => refused(reads.peers(selfTenant))), tenant: () => Effect.succeed(selfTenant) }
}))

export const hostedOperations = operations(
  Effect.map(HostedControl, (control) => ({ status: control.status, peers: control.peers, tenant: tenantNamed }))
)
