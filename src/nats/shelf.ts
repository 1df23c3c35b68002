import { type Cause, Effect } from "effect"
import type { LogUnavailable, Stored } from "./EventLog.ts"

/** One delivered array: as much as has arrived, at most this. */
const batchMaxEvents = 2000
const batchMaxBytes = 2 * 1024 * 1024
/** No further request while this much waits to be taken: with two requests out, 22 MiB is the most one reader holds. */
const waitingMaxEvents = 4000
const waitingMaxBytes = 4 * 1024 * 1024

/** Where events wait between the connection and the reader. */
export interface Shelf {
  /** The sequence the next event must at least have. */
  next: number
  readonly put: (event: Stored) => void
  readonly hasRoom: () => boolean
  readonly finish: (end: Effect.Effect<never, LogUnavailable | Cause.Done>) => void
  readonly take: Effect.Effect<ReadonlyArray<Stored>, LogUnavailable | Cause.Done>
  /** Called after each take: there may be room for more. */
  onTaken: () => void
}

export const makeShelf = (from: number): Shelf => {
  let waiting: Array<Stored> = []
  let bytes = 0
  let end: Effect.Effect<never, LogUnavailable | Cause.Done> | undefined
  let wake: (() => void) | undefined

  const grab = (): ReadonlyArray<Stored> => {
    let count = 0
    let size = 0
    while (count < waiting.length && count < batchMaxEvents && (size === 0 || size + waiting[count]!.data.length <= batchMaxBytes)) {
      size += waiting[count++]!.data.length
    }
    const events = count === waiting.length ? waiting : waiting.splice(0, count)
    if (events === waiting) waiting = []
    bytes -= size
    shelf.onTaken()
    return events
  }
  const take: Shelf["take"] = Effect.suspend(() => {
    if (waiting.length > 0) return Effect.sync(grab)
    if (end !== undefined) return end
    return Effect.callback<void>((resume) => {
      wake = () => {
        wake = undefined
        // Not before the rest of what came in the same packet is here as well.
        queueMicrotask(() => resume(Effect.void))
      }
      return Effect.sync(() => {
        wake = undefined
      })
    }).pipe(Effect.andThen(take))
  })
  const shelf: Shelf = {
    next: Math.max(1, from),
    put: (event) => {
      waiting.push(event)
      bytes += event.data.length
      shelf.next = event.seq + 1
      wake?.()
    },
    hasRoom: () => waiting.length < waitingMaxEvents && bytes < waitingMaxBytes,
    finish: (how) => {
      end = how
      wake?.()
    },
    take,
    onTaken: () => {}
  }
  return shelf
}
