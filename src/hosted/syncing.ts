import { Clock, Effect } from "effect"
import { RegistrationRefused, type Syncing } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { frame } from "../security/commit.ts"
import type { Base } from "./Base.ts"
import { type IngestContext, ingestCommit } from "./ingest.ts"

/** Commits that arrive over HTTP go the way of all others: judged, fenced, once. The sender is whom the session speaks for. */
export const syncingOnHosted = ({ logIdentity, tenants }: Pick<Base, "logIdentity" | "tenants">, ingest: IngestContext): Syncing["Service"] => ({
  history: (tenant) => {
    const { epoch, id } = logIdentity(tenant)
    return `${id}/${epoch}`
  },
  peer: (tenant, peer) =>
    Effect.gen(function*() {
      const now = isoTime(yield* Clock.currentTimeMillis)
      const device = tenants.peek(tenant)?.devices.find(({ peer_id }) => peer_id === peer)
      if (device === undefined) return yield* new RegistrationRefused({ status: 403, type: "unknown-peer", hint: "This peer is not registered here: POST /register-peer first." })
      // a key whose grace ended signs nothing any more
      return { backendId: device.backend_id, publicKeys: device.keys.filter(({ until }) => until === undefined || now < until).map(({ publicKey }) => publicKey) }
    }),
  commit: (tenant, peer, { events, record }) =>
    ingestCommit({ ...ingest, facts: onceDrawn(ingest.facts) }, tenant, peer, frame(record, events)).pipe(Effect.tap((answer) => ingest.answered(peer, answer)), Effect.map((answer) => {
      const { epoch, id } = logIdentity(tenant)
      return { ...answer, log_id: id, log_epoch: epoch }
    }))
})

/** A sync was counted when its request came; the commits in it are not counted once more, their bytes are. */
const onceDrawn = (facts: IngestContext["facts"]): IngestContext["facts"] => (tenant, sender, now) => {
  const known = facts(tenant, sender, now)
  return known && { ...known, draw: (kind, amount) => kind === "syncs" ? Effect.succeed(counted) : known.draw(kind, amount) }
}

const counted = { granted: true, limit: 0, remaining: 0, retryAfterMillis: 0 }
