import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Syncing } from "../../../../streams/Backend.ts"
import { verifyObject } from "../../../security/signing.ts"
import { readPayload } from "../../sync/payload.ts"
import { syncer } from "../../sync/run.ts"
import { Api } from "../api.ts"
import { jsonOf } from "../body.ts"
import { Caller } from "../caller.ts"
import { problem, refused } from "../problems.ts"
import { json } from "../respond.ts"
import type { Synced } from "../wire.ts"

/** `POST /sync/{peer_id}`: the session must be that peer's, and the payload signed with that peer's key. */
export const syncHandlers = HttpApiBuilder.group(Api, "sync", Effect.fn(function*(handlers) {
  const syncing = yield* Syncing
  const sync = yield* syncer
  return handlers.handleRaw("sync", ({ params, request }) =>
    Effect.gen(function*() {
      const { tenant, via } = yield* Caller
      const body = yield* jsonOf(request)
      const peer = yield* refused(syncing.peer(tenant, params.peer_id))
      if (peer.backendId !== via) return yield* otherPeer
      if (!peer.publicKeys.some((key) => verifyObject(key, "sync", body))) return yield* badSignature("signature" in body ? "The payload's signature does not hold." : "The payload is not signed.")
      const payload = yield* readPayload(body)
      return json<typeof Synced.Type>(yield* sync({ tenant, peer: params.peer_id, backendId: peer.backendId }, payload))
    }))
}))

const otherPeer = problem("other-peer", "The session is not that peer's.", "Sync at the sync_endpoint that registration answered, with a session of the same backend.")
// 403 and not 401: the session says who asks, and holds; what is sent in its name needs that peer's signature besides
const badSignature = (detail: string) => problem("bad-signature", detail, "Sign the canonical JSON of all other fields, behind \"maestra-sync-v1\" and a NUL, with the key you registered.", { field: "signature" })
