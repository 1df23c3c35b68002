import { Effect, Option, Result, SubscriptionRef } from "effect"
import type { Audit } from "../../streams/Audit.ts"
import type { Companions, Draft, LocalControl, Syncing } from "../../streams/Backend.ts"
import { auditedFact } from "../security/auditedFact.ts"
import type { Claimed } from "../security/auditedRegistrar.ts"
import { companionOfSession, decodeBearer } from "../security/sessionToken.ts"
import type { CompanionStore } from "./companions.ts"
import type { State } from "./State.ts"

type Auditing = Audit["Service"]

/** The same controls; what the person at the machine told them is audited. */
export const auditedControl = ({ count, record }: Auditing, state: State, control: LocalControl["Service"]): LocalControl["Service"] => {
  const given = (command: string) => record({ type: "command.given", data: { command } })
  return {
    ...control,
    pair: (code) => control.pair(code).pipe(
      Effect.tap(({ peer_id }) => record({ type: "pairing.joined", data: { peer_id } })),
      Effect.tapError(({ status, type }) => status === 503 ? Effect.void : count({ type: "registration.refused", data: { reason: type } }))),
    unpair: Effect.suspend(() => {
      const held = SubscriptionRef.getUnsafe(state.paired)
      return Effect.tap(control.unpair, () => Option.match(held, { onNone: () => Effect.void, onSome: ({ with: { peer_id } }) => record({ type: "pairing.left", data: { peer_id } }) }))
    }),
    pause: Effect.tap(control.pause, () => given("pause")),
    resume: Effect.tap(control.resume, () => given("resume")),
    resync: (options) => Effect.tap(control.resync(options), () => given("resync")),
    confirm: (peer_id) => Effect.tap(control.confirm(peer_id), () => record({ type: "peer.confirmed", data: { peer_id } }))
  }
}

/** What was just written here, as far as it belongs into the audit. */
export const auditDrafts = ({ record }: Auditing, drafts: ReadonlyArray<Draft>): Effect.Effect<void> =>
  Effect.forEach(drafts, ({ fact }) => {
    const audited = auditedFact(fact)
    return audited === undefined ? Effect.void : record(audited)
  }, { discard: true })

/** The same codes; that one was made or used, and what was tried with none, is audited. */
export const auditedCompanions = ({ count, record }: Auditing, codes: Companions["Service"]): Companions["Service"] => {
  const refused = ({ type }: { readonly type: string }) => count({ type: "registration.refused", by: "nobody", data: { reason: type } })
  return {
    code: (may) => Effect.tap(codes.code(may), () => record({ type: "command.given", data: { command: "open" } })),
    exchange: (code, backendId) => Effect.tapError(codes.exchange(code, backendId), refused),
    redeem: (code) => codes.redeem(code).pipe(Effect.tap(() => record({ type: "owner_session.opened", by: "owner", data: {} })), Effect.tapError(refused))
  }
}

const suspect: ReadonlySet<string> = new Set(["revoked", "unknown_peer", "bad_signature", "invalid"])

/** The same; companions' commits that fail are audited. */
export const auditedSyncing = ({ count }: Auditing, syncing: Syncing["Service"]): Syncing["Service"] => ({
  ...syncing,
  commit: (tenant, peer, commit) => Effect.tap(syncing.commit(tenant, peer, commit), ({ verdict }) => suspect.has(verdict) ? count({ type: "commit.refused", by: peer, data: { reason: verdict } }) : Effect.void)
})

/** Whom a bearer names, where it is a companion of this machine. */
export const claimedOnLocal = (companions: CompanionStore, bearer: string): Claimed => {
  const token = decodeBearer(bearer)
  const peer = Result.isSuccess(token) ? companionOfSession(token.success.session_id) : undefined
  return peer !== undefined && companions.of(peer) !== undefined ? { peer_id: peer } : {}
}
