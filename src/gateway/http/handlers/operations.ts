import { Effect, Stream } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { type CommandFailed, HostedControl, LocalControl, Maintenance, type Progress, selfTenant } from "../../../../streams/Backend.ts"
import { Reads } from "../../Reads.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf } from "../body.ts"
import { fromBackend, problem, refused } from "../problems.ts"
import { json, ndjson } from "../respond.ts"
import type { ProgressLine } from "../wire.ts"

/** What differs between the sides in looking after a backend. */
interface Side {
  readonly status: Effect.Effect<object>
  readonly peers: Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>, import("../problems.ts").Problem>
  /** Whose log `verify` reads. */
  readonly tenant: (given: string | undefined) => Effect.Effect<string, import("../problems.ts").Problem>
}

const operations = (side: Effect.Effect<Side, never, LocalControl | HostedControl | Reads>) =>
  HttpApiBuilder.group(Api, "operations", Effect.fn(function*(handlers) {
    const { peers, status, tenant } = yield* side
    const maintenance = yield* Maintenance
    return handlers.handleAll({
      status: () => Effect.map(status, json),
      peers: () => Effect.map(peers, (list) => json({ peers: list })),
      verify: ({ query }) => Effect.flatMap(tenant(query.tenant), (one) => progress(maintenance.verify(one))),
      rebuild: () => progress(maintenance.rebuild)
    })
  }))

/** A failure on the way is the last line: the status was sent long before. */
const progress = (work: Stream.Stream<Progress, CommandFailed>) =>
  ndjson(work.pipe(
    Stream.map((line): typeof ProgressLine.Type => line),
    Stream.catch((error) => Stream.succeed<typeof ProgressLine.Type>({ done: true, at: 0, of: 0, problem: { ...fromBackend(error) } }))
  ))

export const localOperations = operations(Effect.gen(function*() {
  const control = yield* LocalControl
  const reads = yield* Reads
  return { status: control.status, peers: refused(reads.peers(selfTenant)), tenant: () => Effect.succeed(selfTenant) }
}) as never)
