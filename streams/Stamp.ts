import { Result, Schema } from "effect"
import { compare } from "./compareStamps.ts"
import { BackendId, Time } from "./ids.ts"
import { lamportMax } from "./limits.ts"

/**
 * The total order of writes to one register: lamport first, then time, then source.
 *
 * Two stamps are equal only when they name the same write: a source's lamports rise strictly.
 */
export const Stamp = Schema.Struct({
  lamport: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: lamportMax })),
  time: Time,
  source: BackendId
})
export type Stamp = typeof Stamp.Type

// apart, because browsers compare stamps and need no schemas for it
export { compare }

/** No write can follow: some stamp seen has used the clock up. Nothing was written; a person must look. */
export class LamportExhausted extends Schema.TaggedError<LamportExhausted>()("LamportExhausted", { seen: Schema.Finite }) {}

/**
 * The stamp of a new write: one above the greatest lamport this source has seen, its own included.
 *
 * The wall clock takes no part in the order of causally related writes; `time` only breaks ties between
 * concurrent ones, so a wrong clock loses ties and nothing else.
 *
 * Source: Lamport, "Time, Clocks, and the Ordering of Events" (1978), rules IR1 and IR2.
 */
export const next = (options: {
  readonly seen: number
  readonly time: string
  readonly source: string
}): Result.Result<Stamp, LamportExhausted> =>
  options.seen >= lamportMax
    ? Result.fail(new LamportExhausted({ seen: options.seen }))
    : Result.succeed({ lamport: options.seen + 1, time: options.time, source: options.source })
