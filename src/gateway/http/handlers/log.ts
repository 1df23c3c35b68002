import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Audit } from "../../../../streams/Audit.ts"
import { Projections } from "../../../../projections/runner.ts"
import { EventTail, selfTenant } from "../../../../streams/Backend.ts"
import { Stirrings } from "../../../../streams/Observing.ts"
import { checkName } from "../../checks.ts"
import { readLimit } from "../../conditions.ts"
import { importer, importSurface } from "../../import/run.ts"
import { Reads } from "../../Reads.ts"
import { Recording } from "../../Recording.ts"
import { Api } from "../api.ts"
import { bytesOf, checked } from "../body.ts"
import { Caller } from "../caller.ts"
import { Closing } from "../Closing.ts"
import { changeStream, eventStream, startingPoint } from "../events.ts"
import { refused } from "../problems.ts"
import { json, ndjson } from "../respond.ts"
import type { Digest, Imported } from "../wire.ts"
import { sender } from "./asked.ts"

/** Conflicts, import, export, digest, events. */
export const logHandlers = HttpApiBuilder.group(Api, "log", Effect.fn(function*(handlers) {
  const reads = yield* Reads
  const recording = yield* Recording
  const importBody = yield* importer
  const tail = yield* EventTail
  const projections = yield* Projections
  const closing = yield* Closing
  const audit = yield* Audit
  const stirrings = yield* Stirrings

  return handlers.handleAll({
    conflicts: ({ query }) =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        const limit = yield* readLimit(query.limit)
        yield* recording.settled(tenant)
        return json(yield* refused(reads.conflicts({ tenant, limit, cursor: query.cursor })))
      }),
    export: () =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        yield* recording.settled(tenant)
        yield* audit.record({ type: "data.exported", ...(tenant === selfTenant ? {} : { tenant }), data: {} })
        return yield* ndjson(reads.exported(tenant))
      }),
    digest: () =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        yield* recording.settled(tenant)
        return json<typeof Digest.Type>(yield* refused(reads.digest(tenant)))
      }),
    events: ({ headers, query }) =>
      Effect.gen(function*() {
        const { ended, kind, tenant } = yield* Caller
        if (kind === "operator" && tenant === "") return changeStream(projections.changes, stirrings, Effect.raceFirst(closing.begun, ended))
        const from = yield* startingPoint(headers["last-event-id"], query.from)
        const place = from === "now" ? { place: yield* tail.now(tenant) } : {}
        return eventStream(tail, Effect.raceFirst(closing.begun, ended), { tenant, from, ...place, ...(query.subject === undefined ? {} : { subject: query.subject }) })
      })
  }).handleRaw("import", ({ query, request }) =>
    Effect.gen(function*() {
      const { tenant } = yield* Caller
      const surface = query.surface === undefined ? importSurface : yield* checked("surface", query.surface, checkName)
      const from = yield* sender(surface)
      return json<typeof Imported.Type>(yield* importBody(tenant, yield* bytesOf(request), from))
    }))
}))
