import { DateTime, Effect, Semaphore } from "effect"
import type { Written } from "../../../streams/Backend.ts"
import { type Problem, refused } from "../http/problems.ts"
import type { Imported } from "../http/wire.ts"
import { Reads } from "../Reads.ts"
import { Recording } from "../Recording.ts"
import type { Sender } from "../writes/means.ts"
import { type ImportLine, readImport } from "./lines.ts"
import { batchEnd, planImport, resolve } from "./plan.ts"

/** Surface of imported messages that name none. */
export const importSurface = "import"

/**
 * Take an NDJSON body in: read, look up what is there already, write the rest in batches of one atomic append.
 *
 * Imports of one process take turns, so the same file sent twice at once adds nothing the second time.
 * A failure between two batches leaves the earlier ones in; sending the body again completes it.
 */
export const importer = Effect.gen(function*() {
  const recording = yield* Recording
  const reads = yield* Reads
  const turn = yield* Semaphore.make(1)

  const take = (tenant: string, lines: ReadonlyArray<ImportLine>, from: Sender) =>
    Effect.gen(function*() {
      yield* recording.settledFor(tenant, new Set(lines.map(({ conversation }) => conversation)))
      const plan = planImport(lines, yield* reads.known(tenant, lines), from)
      const written: Array<Written> = []
      for (let start = 0; start < plan.drafts.length;) {
        const end = batchEnd(plan.drafts, start)
        for (const one of yield* recording.record(tenant, resolve(plan.drafts, start, end, written))) written.push(one)
        start = end
      }
      return plan
    })

  return (tenant: string, body: Uint8Array, from: Sender): Effect.Effect<typeof Imported.Type, Problem> =>
    Effect.gen(function*() {
      const { invalid, lines } = readImport(body, DateTime.formatIso(yield* DateTime.now))
      const plan = yield* turn.withPermits(1)(take(tenant, lines, from))
      return {
        conversations: lines.length,
        messages: plan.messages,
        events: plan.drafts.length,
        unchanged: plan.unchanged,
        invalid
      }
    }).pipe(refused)
})
