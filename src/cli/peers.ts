import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Row } from "./answers.ts"
import { type Backend } from "./backend.ts"
import { ask } from "./call.ts"
import { answer } from "./print.ts"
import { things } from "./rows.ts"

const Peers = Schema.Struct({ peers: Schema.Array(Row) })

const columns = ["peer_id", "user_id", "tenant", "backend_type", "status", "state", "confirmed", "last_seen", "last_sync", "expires_at", "key_since", "backend_id"]

/** The devices a backend knows. */
export const showPeers = Effect.fnUntraced(function*(backend: Backend, none: string) {
  const { raw, value } = yield* ask(backend, Peers, { method: "GET", path: "/peers" })
  yield* answer(raw, () => value.peers.length === 0 ? none : things(value.peers, columns))
})
