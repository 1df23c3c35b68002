import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Checks, Status } from "../answers.ts"
import { type Backend, findIn, runningIn } from "../backend.ts"
import { ask, send } from "../call.ts"
import type { Side } from "../settings.ts"

/** One thing looked at. `todo` where there is something to do. */
export interface Check {
  readonly level: "ok" | "warn" | "fail"
  readonly name: string
  readonly detail: string
  readonly todo?: string
}

/** A session made this far in the future is refused by hosted. */
const skewFailMillis = 60_000
const skewWarnMillis = 5_000
const probeTimeoutMillis = 5_000

/** The backends of this data directory, and how far the local one is with hosted. */
export const checkBackends = Effect.fnUntraced(function*(dirs: Readonly<Record<Side, string>>) {
  const checks: Array<Check> = []
  const hosted = yield* runningIn(dirs.hosted)
  if (Option.isSome(hosted)) checks.push(...yield* checkRunning("hosted", dirs.hosted))
  const local = yield* runningIn(dirs.local)
  if (Option.isNone(local)) {
    return [...checks, { level: "warn", name: "local backend", detail: "not running", todo: "Start it with `maestra local up`." } satisfies Check]
  }
  const running = yield* checkRunning("local", dirs.local)
  checks.push(...running)
  if (running[0]?.level !== "ok") return checks
  return [...checks, ...yield* checkPairing(dirs.local)]
})

/** Does it answer, and what does it say of itself: its streams, its position, its log. What is fine there is one line. */
const checkRunning = Effect.fnUntraced(function*(side: Side, dir: string) {
  const reachable = yield* checkReachable(side, dir)
  if (reachable.level !== "ok") return [reachable]
  const asked = yield* Effect.option(Effect.flatMap(findIn(side, dir), (backend) => ask(backend, Checks, { method: "GET", path: "/checks", timeoutMillis: probeTimeoutMillis })))
  if (Option.isNone(asked)) return [reachable]
  const { checks } = asked.value.value
  const wrong = checks.filter(({ level }) => level !== "ok").map((check): Check => ({ ...check, name: `${side} ${check.name}` }))
  return [reachable, ...wrong.length > 0 ? wrong : [{ level: "ok", name: `${side} streams`, detail: `${checks.length} checks inside are fine` } satisfies Check]]
})

const checkReachable = (side: Side, dir: string) =>
  findIn(side, dir).pipe(
    Effect.flatMap((backend) => Effect.as(send(backend, { method: "GET", path: "/status", timeoutMillis: probeTimeoutMillis }), backend)),
    Effect.match({
      onSuccess: ({ url }): Check => ({ level: "ok", name: `${side} backend`, detail: `answers at ${url}` }),
      onFailure: ({ sentence, hint }): Check => ({ level: "fail", name: `${side} backend`, detail: sentence, todo: hint === "" ? `Stop it and start it again with \`maestra ${side} up\`.` : hint })
    })
  )

const checkPairing = (dir: string) =>
  Effect.gen(function*() {
    const { value } = yield* ask(yield* findIn("local", dir), Status, { method: "GET", path: "/status" })
    if (value.hosted_url === null) {
      const check: Check = { level: "warn", name: "pairing", detail: "not paired: everything stays on this machine", todo: "`maestra local pair CODE`, with a code of `maestra hosted enroll USER`." }
      return [check]
    }
    return [pairing(value), link(value), yield* checkClock(value.hosted_url)]
  }).pipe(Effect.orElseSucceed((): ReadonlyArray<Check> => [{ level: "warn", name: "pairing", detail: "could not be asked", todo: "Try `maestra status`." }]))

const pairing = (status: Status): Check =>
  status.state === "needs_you"
    ? { level: "fail", name: "pairing", detail: "needs you", todo: status.needs ?? "See `maestra status`." }
    : { level: "ok", name: "pairing", detail: `as ${status.peer_id ?? "?"} with ${status.hosted_url ?? "?"}` }

const link = (status: Status): Check =>
  status.state === "offline"
    ? { level: "warn", name: "link", detail: status.sentence, todo: "Check the network and whether hosted runs; it comes back by itself." }
    : status.state === "paused"
    ? { level: "warn", name: "link", detail: status.sentence, todo: "`maestra local resume`" }
    : status.state === "needs_you"
    ? { level: "warn", name: "link", detail: "nothing is sent until that is done" }
    : { level: "ok", name: "link", detail: status.sentence }

/** Hosted's clock by its Date header: good to a second, and sessions are refused from a minute on. */
const checkClock = (hostedUrl: string) =>
  Effect.gen(function*() {
    // anybody may ask for health: no token leaves for another machine
    const hosted: Backend = { side: "hosted", url: hostedUrl, token: Redacted.make("none"), tenant: undefined }
    const before = yield* Clock.currentTimeMillis
    const response = yield* send(hosted, { method: "GET", path: "/health", timeoutMillis: probeTimeoutMillis })
    const now = (before + (yield* Clock.currentTimeMillis)) / 2
    const skew = Math.abs(Date.parse(response.headers.get("date") ?? "") - now)
    const detail = `${(skew / 1000).toFixed(0)} s apart from hosted`
    const todo = "Set this machine's clock (turn time synchronisation on)."
    const check: Check = Number.isNaN(skew)
      ? { level: "warn", name: "clock", detail: "hosted sends no Date header to compare with" }
      : skew >= skewFailMillis
      ? { level: "fail", name: "clock", detail, todo }
      : skew >= skewWarnMillis
      ? { level: "warn", name: "clock", detail, todo }
      : { level: "ok", name: "clock", detail: "agrees with hosted" }
    return check
  }).pipe(Effect.orElseSucceed((): Check => ({ level: "warn", name: "clock", detail: `hosted does not answer at ${hostedUrl}`, todo: "Check the network and whether hosted runs." })))
