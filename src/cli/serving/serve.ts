import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as MutableRef from "effect/MutableRef"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { CliFailure, failed } from "../failure.ts"
import { answer } from "../print.ts"
import type { Side } from "../settings.ts"
import { exporting } from "./exporting.ts"
import { announce } from "./folder.ts"
import { onOffsetClock } from "./offsetClock.ts"

/** The exit code when a signal ends the program: 130, but 0 for what is meant to be stopped that way. */
export const SignalExit = Context.Reference<MutableRef.MutableRef<number>>("cli/SignalExit", { defaultValue: () => MutableRef.make(130) })

/** From here on Ctrl-C and SIGTERM are the ordinary end. */
export const endsOnSignal = Effect.map(SignalExit, (code) => {
  MutableRef.set(code, 0)
})

export const logFlags = {
  logJson: Flag.Boolean("log-json").pipe(Flag.withDescription("Log lines on stderr as JSON, which is how they are where stderr is no terminal"), Flag.withDefault(false)),
  logText: Flag.Boolean("log-text").pipe(Flag.withDescription("Log lines on stderr as text, also where it is no terminal"), Flag.withDefault(false))
}

/** Log lines go to stderr: stdout is for answers. */
export const logging = ({ logJson, logText }: { readonly logJson: boolean; readonly logText: boolean }) =>
  Logger.layer([Logger.withConsoleError(logJson || (!logText && !process.stderr.isTTY) ? Logger.formatJson : Logger.formatLogFmt)])

/** For commands that end, and that a person looks at. */
export const asText = { logJson: false, logText: true }

/** Progress of a start, a line at a time, into the log. */
export const logLine = (line: string): Effect.Effect<void> => Effect.logInfo(line)

export interface Serving<R> {
  readonly side: Side
  readonly dir: string
  readonly url: string
  /**
   * The backend and its gateway; built it serves, and its scope is its life. It calls `onBroken` when one of its
   * parts ends that never should.
   */
  readonly layer: (onBroken: (part: string) => Effect.Effect<void>) => Layer.Layer<never, unknown>
  /** What a person sees once it serves. */
  readonly screen: () => string
  /** What is done after that, once. */
  readonly then?: Effect.Effect<void, CliFailure, R>
}

/**
 * Start a backend, say where it runs, and stay until a signal, the end of the parent that started us
 * (`MAESTRA_PARENT_PIPE=1`: end of stdin), or a failure. What is written when it stops is fsynced already.
 */
export const serve = <R = never>({ side, dir, url, layer, screen, then = Effect.void }: Serving<R>) =>
  stay({
    name: `${side} backend`,
    side,
    layer,
    failed: (error) => notStarted(side, error),
    ready: Effect.gen(function*() {
      const startedAt = DateTime.formatIso(yield* DateTime.now)
      const runtime = { pid: process.pid, url, started_at: startedAt }
      yield* announce(dir, runtime)
      yield* answer({ side, url, pid: runtime.pid, data_dir: dir }, screen)
      yield* then
    })
  })

/** The same for whatever is built and then stays; `ready` runs once it is built. */
export const stay = <R>(what: {
  readonly name: string
  readonly side: Side
  readonly layer: (onBroken: (part: string) => Effect.Effect<void>) => Layer.Layer<never, unknown>
  readonly failed: (error: unknown) => CliFailure
  readonly ready: Effect.Effect<void, CliFailure, R>
  /** A minute, but where that is tried. */
  readonly stopMaxMillis?: number
}) =>
  Effect.gen(function*() {
    yield* endsOnSignal
    const stopping = yield* Deferred.make<void>()
    // forked before anything else, and so released after everything else
    yield* Effect.forkScoped(Effect.andThen(Deferred.await(stopping), endAnyhow(what.name, what.stopMaxMillis ?? stopMaxMillis)))
    const broken = yield* Deferred.make<never, CliFailure>()
    const built = Layer.build(what.layer((part) => Effect.asVoid(Deferred.fail(broken, partEnded(what.name, part))))).pipe(Effect.mapError(what.failed))
    // what the start waits for may be a part that has ended
    yield* Effect.raceFirst(built, Deferred.await(broken))
    yield* Effect.addFinalizer(() => Effect.andThen(Effect.logInfo(`stopping the ${what.name}`), Deferred.succeed(stopping, undefined)))
    yield* what.ready
    yield* Effect.raceFirst(parentGone, Deferred.await(broken))
    yield* Effect.logInfo("the process that started this one is gone; stopping")
  }).pipe(Effect.scoped, onOffsetClock, Effect.provide(exporting(what.side)))

/** Every part bounds its own end; all together take a few seconds, on a machine busy with much else half a minute. */
const stopMaxMillis = 60_000

/** What has not ended by then is ended: what was acknowledged is on the disk, as after a kill, and nats-server ends with its parent. */
const endAnyhow = (name: string, afterMillis: number) =>
  Effect.sleep(afterMillis).pipe(
    Effect.andThen(Effect.logError(`the ${name} did not stop within ${afterMillis / 1000} s and is ended; what was acknowledged is safe`)),
    Effect.andThen(Effect.sync(() => process.kill(process.pid, "SIGKILL"))))

/** Returns when the parent has ended, killed or not; never, where nobody asked for it. */
const parentGone = Effect.gen(function*() {
  const watch = yield* Config.String("MAESTRA_PARENT_PIPE").pipe(Config.withDefault(""))
  if (watch !== "1") return yield* Effect.never
  const stdio = yield* Stdio.Stdio
  yield* Stream.runDrain(stdio.stdin).pipe(Effect.ignore)
}).pipe(Effect.orDie)

const partEnded = (name: string, part: string) =>
  failed("part-ended", `a part of the ${name} has ended that never should: ${part}`, "What was acknowledged is safe. Start it again; the log says why it ended.")

/** Whatever stopped a start, as a sentence: typed errors of the parts carry a hint, and often say why. */
export const notStarted = (side: Side, error: unknown): CliFailure => {
  if (error instanceof CliFailure) return error
  if (isPortTaken(error)) return failed("port-taken", `the ${side} backend did not start: its HTTP port was taken by another program just now`, "Stop that program, or choose another port with --port (0 picks a free one).")
  const { _tag: tag, hint, why, message } = fields(error)
  const reason = [why, message].find((text) => text !== undefined && text !== "") ?? words(tag ?? "for an unknown reason")
  return failed(tag ?? "start-failed", `the ${side} backend did not start: ${reason}`, hint ?? "`maestra doctor` looks at what it needs.")
}

/** Somebody listened there between our look and our own listening. */
const isPortTaken = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (Reflect.get(error, "code") === "EADDRINUSE" || isPortTaken(Reflect.get(error, "cause")))

/** `PortTaken` → `port taken`. */
const words = (tag: string): string => tag.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase()

type Told = Partial<Record<"_tag" | "hint" | "why" | "message", string>>

const fields = (error: unknown): Told => {
  if (typeof error !== "object" || error === null) return { message: String(error) }
  const told: Told = {}
  for (const name of ["_tag", "hint", "why", "message"] as const) {
    const value: unknown = Reflect.get(error, name)
    if (typeof value === "string") told[name] = value
  }
  return told
}
