import { Cause, Clock, Context, Duration, Effect, Exit, Random, References, Scheduler } from "effect"
import { type Dice, random } from "../property/projections/rig.ts"

/** When a schedule begins: any moment would do. Milliseconds since 1970. */
const beginning = Date.UTC(2026, 10, 22, 10)

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/**
 * Virtual time and everything that happens in it, on one thread, in one order that the seed decides.
 *
 * Fibers run until they wait; then the next timer's moment comes. Nothing here or on top of it looks at a real
 * clock, and whatever takes time or goes wrong asks `dice`.
 */
export class Kernel {
  now = beginning
  readonly dice: Dice
  readonly trace: Trace
  #tasks: Array<() => void> = []
  #timers: Array<Timer> = []
  #order = 0
  /** Set by whoever finds that something is wrong: the schedule ends there. */
  failure: Violation | undefined

  constructor(seed: number) {
    this.dice = random(seed)
    this.trace = new Trace(() => this.now - beginning)
  }

  task(run: () => void): void {
    this.#tasks.push(run)
  }

  /** Call `run` after so many milliseconds. Returns how to take that back. */
  after(millis: number, run: () => void): () => void {
    let called = false
    const timer = { at: this.now + millis, order: this.#order++, run: () => { if (!called) { called = true; run() } } }
    push(this.#timers, timer)
    return () => { called = true }
  }

  /** Call `run` again and again, each so many milliseconds after the one before. */
  every(millis: number, run: () => void): void {
    this.after(millis, () => {
      run()
      this.every(millis, run)
    })
  }

  /** Let time pass until `until`, or until something is found wrong. */
  pass(millis: number): void {
    const until = this.now + millis
    while (this.failure === undefined) {
      for (let at = 0; at < this.#tasks.length && this.failure === undefined; at++) this.#tasks[at]!()
      this.#tasks = []
      const next = this.#timers[0]
      if (next === undefined || next.at > until) break
      pop(this.#timers)
      this.now = next.at
      next.run()
    }
    if (this.failure === undefined) this.now = until
  }

  fail(invariant: number, why: string): void {
    this.failure ??= { invariant, why }
    this.trace.note("violation", `${invariant}: ${why}`)
  }
}

export interface Violation {
  readonly invariant: number
  readonly why: string
}

/** What happened, in words that are the same for the same seed: no random bytes, no real time. */
export class Trace {
  readonly lines: Array<string> = []
  #hash = 0x811c9dc5
  readonly #at: () => number

  constructor(at: () => number) {
    this.#at = at
  }

  note(who: string, what: string): void {
    const line = `${(this.#at() / 1000).toFixed(3).padStart(9)} ${who.padEnd(9)} ${what}`
    this.lines.push(line)
    // FNV-1a: cheap, and two traces that differ anywhere differ here
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193)
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0")
  }
}

/**
 * One process: fibers that all stop at the same instant, without a finalizer, when it is killed. Its clock may be
 * wrong and coarse; what it sleeps is true time, as on a real machine.
 */
export class Process {
  alive = true
  readonly name: string
  readonly #kernel: Kernel
  readonly #context: Context.Context<never>

  readonly #strike: () => boolean

  /** `strike` is asked whenever something waited for has come, and may kill the process there. */
  constructor(kernel: Kernel, name: string, clock: { readonly skewMillis: () => number; readonly tickMillis: number }, strike: () => boolean) {
    this.name = name
    this.#kernel = kernel
    this.#strike = strike
    const time = () => {
      const wrong = kernel.now + clock.skewMillis()
      return wrong - wrong % clock.tickMillis
    }
    const dispatcher: Scheduler.SchedulerDispatcher = { scheduleTask: (task) => this.post(task), flush: () => {} }
    this.#context = Context.empty().pipe(
      Context.add(Clock.Clock, {
        currentTimeMillisUnsafe: time,
        currentTimeMillis: Effect.sync(time),
        currentTimeNanosUnsafe: () => nanos(time()),
        currentTimeNanos: Effect.sync(() => nanos(time())),
        monotonicTimeNanosUnsafe: () => nanos(kernel.now),
        monotonicTimeNanos: Effect.sync(() => nanos(kernel.now)),
        sleep: (duration) => this.wait(Duration.toMillis(duration))
      }),
      Context.add(Random.Random, {
        nextIntUnsafe: () => kernel.dice.below(Number.MAX_SAFE_INTEGER),
        nextDoubleUnsafe: () => kernel.dice.below(2 ** 32) / 2 ** 32
      }),
      Context.add(References.MinimumLogLevel, "None"),
      Context.add(Scheduler.Scheduler, {
        executionMode: "async",
        shouldYield: (fiber) => fiber.currentOpCount >= 2048,
        makeDispatcher: () => dispatcher
      }))
  }

  /** Run `step` soon, if this process still lives then. */
  post(step: () => void): void {
    this.#kernel.task(() => { if (this.alive) step() })
  }

  /** Goes on after so many milliseconds, if this process still lives then. */
  wait(millis: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const cancel = this.#kernel.after(millis, () => { if (this.alive && !this.#strike()) this.post(() => resume(Effect.void)) })
      return Effect.sync(cancel)
    })
  }

  /** Run an effect in this process; `then` hears how it ended, unless the process was killed before. */
  run<A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void): void {
    this.post(() => {
      const fiber = Effect.runForkWith(this.#context)(effect)
      fiber.addObserver((exit) => { if (this.alive) then(exit) })
    })
  }

  /** A part that must never end: that it did is a violation, as a real process would stop. */
  supervise(part: string, effect: Effect.Effect<unknown, unknown>): void {
    this.run(effect, (exit) => {
      if (Exit.hasInterrupts(exit)) return
      this.#kernel.fail(0, `${this.name}: ${part} stopped: ${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "ended"}`)
    })
  }

  kill(): void {
    this.alive = false
  }
}

/** A jittered wait ends between two milliseconds. */
const nanos = (millis: number): bigint => BigInt(Math.floor(millis)) * 1_000_000n

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

const push = (heap: Array<Timer>, timer: Timer): void => {
  let at = heap.push(timer) - 1
  while (at > 0) {
    const up = (at - 1) >> 1
    if (!before(timer, heap[up]!)) break
    heap[at] = heap[up]!
    at = up
  }
  heap[at] = timer
}

const pop = (heap: Array<Timer>): void => {
  const last = heap.pop()!
  if (heap.length === 0) return
  let at = 0
  for (;;) {
    let down = 2 * at + 1
    if (down >= heap.length) break
    if (down + 1 < heap.length && before(heap[down + 1]!, heap[down]!)) down++
    if (!before(heap[down]!, last)) break
    heap[at] = heap[down]!
    at = down
  }
  heap[at] = last
}
