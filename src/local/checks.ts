import { Clock, Effect, Option, SubscriptionRef } from "effect"
import { streams } from "../../streams/definitions.ts"
import type { Check } from "../../streams/Observing.ts"
import { isoTime } from "../../streams/time.ts"
import { compareStreams } from "../nats/compareStreams.ts"
import type { Base } from "./Base.ts"
import { pairedIn } from "./State.ts"

/** Far enough apart for sessions to be refused soon. */
const skewWarnMillis = 30_000

/** What a running local backend knows of its own health. */
export const localChecks = (base: Pick<Base, "agent" | "cursor" | "journalShape" | "state" | "tables">): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.gen(function*() {
    const { agent, cursor, journalShape, state, tables } = base
    const checks: Array<Check> = [...yield* compareStreams(agent, [streams.journal], journalShape), ...yield* compareStreams(agent, [streams.telemetryOut], { replicas: 1 })]
    const position = yield* Effect.option(cursor.position)
    checks.push(Option.isSome(position)
      ? { level: "ok", name: "relay's position", detail: `at ${position.value}` }
      : { level: "fail", name: "relay's position", detail: "its consumer does not answer: somebody deleted it, or nats-server is away", todo: "`maestra resync` makes it again; nothing is lost." })
    const expires = pairedIn(state)?.with.expires_at
    if (expires !== undefined && expires <= isoTime(yield* Clock.currentTimeMillis)) {
      checks.push({ level: "warn", name: "session", detail: `ended at ${expires}`, todo: "It renews by itself as soon as hosted answers; if hosted does, see whether a clock is wrong." })
    }
    const needs = SubscriptionRef.getUnsafe(state.needs)
    if (needs !== undefined) checks.push({ level: "fail", name: "sending", detail: `stopped: ${needs}`, todo: "Do what it says; where this machine goes on as it is, `maestra local resume` then." })
    const skew = state.skewMillis
    if (skew !== undefined && Math.abs(skew) > skewWarnMillis) {
      checks.push({ level: "fail", name: "clock of this machine", detail: `${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? "ahead of" : "behind"} hosted`, todo: "Set this machine's clock (turn time synchronisation on)." })
    }
    const quarantined = yield* tables.quarantined
    if (quarantined > 0) checks.push({ level: "fail", name: "log", detail: `${quarantined} places do not verify and are not read`, todo: "`maestra verify` names them." })
    return checks
  })
