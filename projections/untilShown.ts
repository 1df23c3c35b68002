import { Duration, Effect } from "effect"
import type { Projections } from "./runner.ts"

/** Tables that are being made anew, or far behind, hold a reader of the log up no longer than this, once. */
const behindMax = Duration.seconds(2)

/**
 * For one reader of a log: completes when the tables show what lies at `seq`, so that whoever is told of an event and
 * looks at once sees it. Costs nothing where they do. Where they do not in two seconds the reader goes on, and waits
 * again only after they have caught up with what it waited for.
 */
export const untilShown = (projections: Pick<Projections["Service"], "positions" | "settled">, cursor: string) => {
  let missed = 0
  return Effect.fnUntraced(function*(seq: number) {
    if (missed > 0 && ((yield* projections.positions).get(cursor)?.seq ?? 0) < missed) return
    const shown = yield* Effect.timeoutOption(projections.settled(cursor, seq), behindMax)
    missed = shown._tag === "None" ? seq : 0
  })
}
