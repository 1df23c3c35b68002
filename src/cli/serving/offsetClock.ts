import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as MutableRef from "effect/MutableRef"
import * as Option from "effect/Option"

/** A changed offset counts this much later at most. */
const lookEvery = "100 millis"

/**
 * Run with the machine's clock moved by what a file says: `MAESTRA_CLOCK_OFFSET_FILE` names it, milliseconds lie in
 * it, and it may change while we run. For tests of clocks that are wrong or jump; without the variable the clock is
 * the machine's own. What is waited for, and the monotonic time, are not moved, as they are not when a person sets
 * the time; neither is nats-server's clock.
 */
export const onOffsetClock = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const file = yield* Config.NonEmptyString("MAESTRA_CLOCK_OFFSET_FILE").pipe(Config.option, Effect.orDie)
    if (Option.isNone(file)) return yield* program
    const fs = yield* FileSystem.FileSystem
    const offset = MutableRef.make(0)
    const look = fs.readFileString(file.value).pipe(
      Effect.map((text) => Number(text.trim())),
      Effect.flatMap((millis) => Number.isSafeInteger(millis) ? Effect.sync(() => MutableRef.set(offset, millis)) : Effect.void),
      Effect.ignore)
    yield* look
    yield* Effect.sleep(lookEvery).pipe(Effect.andThen(look), Effect.forever, Effect.forkScoped)
    const clock = yield* Clock.Clock
    return yield* Effect.provideService(program, Clock.Clock, moved(clock, () => MutableRef.get(offset)))
  }).pipe(Effect.scoped)

const moved = (clock: Clock.Clock, offset: () => number): Clock.Clock => {
  const millis = () => clock.currentTimeMillisUnsafe() + offset()
  const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(offset()) * 1_000_000n
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}
