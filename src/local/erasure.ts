import { Clock, Duration, Effect, Schedule, SubscriptionRef } from "effect"
import { existsSync } from "node:fs"
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { CommandFailed } from "../../streams/Backend.ts"
import type { Erased } from "../../streams/ErasureReceipt.ts"
import { isoTime } from "../../streams/time.ts"
import { sentences } from "../../streams/sentences.ts"
import { deleteMirror } from "../nats/mirror.ts"
import { isErased } from "../security/erasure.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import type { Base } from "./Base.ts"
import { eraseThere } from "./register.ts"
import { unpair } from "./registration.ts"
import { awaitRef, bump, type Erasing, pairedIn } from "./State.ts"

type ErasureBase = Pick<Base, "agent" | "audit" | "companions" | "compact" | "dataDir" | "erasedPeople" | "journalLog" | "leaf" | "plainAllowed" | "projections" | "self" | "server" | "sessionLife" | "state" | "store" | "telemetryOut">

const retries = Schedule.spaced(Duration.seconds(1))

/** While it is there, an erasure that was begun is not complete. */
const markerOf = (dataDir: string) => join(dataDir, "erasing")

/** Erase this machine's part whenever somebody has heard that it must go, for ever; also what a kill stopped half way. */
export const keepErasing = (base: ErasureBase): Effect.Effect<never> =>
  Effect.gen(function*() {
    const erasing = existsSync(markerOf(base.dataDir)) ? undefined : yield* awaitRef(base.state.erasing, (is) => is !== undefined)
    yield* tellCompanions(base, erasing).pipe(Effect.tapError(({ hint }) => Effect.logError(hint)), Effect.retry(retries), Effect.orDie)
    // a full disk, a server that starts again: what must go goes in the end
    yield* eraseHere(base).pipe(
      Effect.tapError((error) => Effect.logError("this machine's data cannot be erased yet; trying again", { error })),
      Effect.retry(retries),
      Effect.orDie,
      Effect.uninterruptible)
    yield* SubscriptionRef.set(base.state.erasing, undefined)
  }).pipe(Effect.forever)

/** What the companions of this machine are told when they come, noted while it is known who they are. */
const tellCompanions = ({ companions, erasedPeople, state }: ErasureBase, erasing: Erasing | undefined) => {
  const held = pairedIn(state)
  const known = companions.all().map(({ peer_id }) => peer_id)
  return held === undefined || erasing?.receipt === undefined || known.length === 0
    ? Effect.void
    : erasedPeople.keep({ companions: known, receipt: { hosted: held.with.hosted, ...erasing.receipt } })
}

/** Keys first: without them nothing leaves or arrives, and what came from hosted cannot be opened any more. */
const eraseHere = Effect.fn("local.erase")(function*(base: ErasureBase) {
  yield* Effect.promise(() => writeFile(markerOf(base.dataDir), "", { mode: 0o600 }))
  yield* unpair(base)
  yield* deleteMirror(base.agent)
  yield* base.journalLog.purgeAll
  yield* base.telemetryOut.purgeAll
  yield* base.companions.forgetAll
  yield* base.projections.reset
  yield* bump(base.state.reread)
  base.state.onTheirWay.clear()
  yield* base.compact
  yield* base.audit.service.record({ type: "tenant.erased", data: {} })
  yield* Effect.promise(() => rm(markerOf(base.dataDir), { force: true }))
  yield* Effect.logWarning("everything of this person was erased from this machine")
})

/** What the person at the machine asks for: there first, which must answer with its receipt, and then here. */
export const eraseEverywhere = Effect.fn("local.eraseEverywhere")(function*(base: ErasureBase): Effect.fn.Return<Erased, CommandFailed> {
  const held = pairedIn(base.state)
  const there = held === undefined ? undefined : yield* eraseThere({
    url: held.with.hosted_url, hosted: held.with.hosted, userId: held.with.user_id, secret: held.secrets.secret,
    self: base.self, sessionLife: base.sessionLife, peerId: held.with.peer_id
  }).pipe(Effect.catchTag("HostedUnreachable", ({ hint }) => Effect.fail(new CommandFailed({ status: 503, type: "not-reachable", hint: sentences(hint, "Nothing was erased; try again when it is up.") }))))
  if (held !== undefined && (there?.receipt == null || !isErased(there.receipt, held.with.tenant, keysOfIdentity(held.with.hosted)))) {
    return yield* new CommandFailed({ status: 409, type: "no-receipt", hint: "The hosted backend gave no receipt that holds, so nothing was erased here." })
  }
  yield* SubscriptionRef.set(base.state.erasing, { receipt: there?.receipt ?? undefined })
  yield* awaitRef(base.state.erasing, (is) => is === undefined)
  const now = isoTime(yield* Clock.currentTimeMillis)
  return there === undefined
    ? { tenant: null, erased_at: now, messages: 0, keys_destroyed: true, devices: [], to_do: null, receipt: null }
    : { ...there, devices: there.devices.map((device) => device.peer_id === held?.with.peer_id ? { ...device, reached: true } : device) }
})
