import { Clock, Effect } from "effect"
import { RegistrationRefused, type Syncing } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import { type AcceptContext, acceptCommit } from "./acceptCommit.ts"
import { keysOfCompanion } from "./companions.ts"
import { pairedIn } from "./State.ts"

/** Companions' syncs at a local backend: their commits go into the journal, and from there to the hosted side. */
export const syncingOnLocal = (context: AcceptContext): Syncing["Service"] => ({
  history: () => undefined,
  peer: (_, peer) =>
    Effect.suspend(() => {
      const companion = context.companions.of(peer)
      return companion === undefined
        ? Effect.fail(new RegistrationRefused({ status: 403, type: "unknown-peer", hint: "This companion is not registered here: POST /register-peer first." }))
        : Effect.map(Effect.all([context.tables.keys, Clock.currentTimeMillis]), ([keys, now]) => {
          const known = keysOfCompanion(companion, keys.find(([, author]) => author === peer)?.[2].keys ?? [])
          return { backendId: companion.backend_id, publicKeys: known.filter(({ until }) => until === undefined || isoTime(now) < until).map(({ publicKey }) => publicKey) }
        })
    }),
  commit: (_, peer, commit) =>
    Effect.suspend((): Effect.Effect<Verdict> => {
      const paired = pairedIn(context.state)
      return paired === undefined
        ? Effect.succeed({ verdict: "unknown_peer" as const, log_id: "", log_epoch: 0 })
        : acceptCommit(context, paired, peer, commit)
    })
})
