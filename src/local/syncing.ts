import { Effect } from "effect"
import { RegistrationRefused, type Syncing } from "../../streams/Backend.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import { type AcceptContext, acceptCommit, pairedIn } from "./acceptCommit.ts"

/** Companions' syncs at a local backend: their commits go into the journal, and from there to the hosted side. */
export const syncingOnLocal = (context: AcceptContext): Syncing["Service"] => ({
  history: () => undefined,
  peer: (_, peer) =>
    Effect.suspend(() => {
      const companion = context.companions.of(peer)
      return companion === undefined
        ? Effect.fail(new RegistrationRefused({ status: 403, type: "unknown-peer", hint: "This companion is not registered here: POST /register-peer first." }))
        : Effect.map(context.tables.keys, (keys) => {
          const pinned = keys.find(([, author]) => author === peer)?.[2].keys.map(({ publicKey }) => publicKey) ?? []
          return { backendId: companion.backend_id, publicKeys: [...new Set([companion.identity.public_key, ...pinned])] }
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
