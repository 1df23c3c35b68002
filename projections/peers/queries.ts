import { Effect, Option } from "effect"
import { Sqlite } from "../Sqlite.ts"
import { type Peer, peerOf, type State } from "./apply.ts"

/** Every peer that ever registered with a tenant, revoked ones included, by peer id. As many as a person has devices. */
export const listPeers = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ peer: string; state: string }>(readPeers, tenant)
  return rows.flatMap(({ peer, state }): ReadonlyArray<Peer> => {
    const read = peerOf(peer, JSON.parse(state) as State)
    return read === null ? [] : [read]
  })
})

export const peerById = Effect.fnUntraced(function*(options: { readonly tenant: string; readonly peer: string }) {
  const state = yield* stateOf(options.tenant, options.peer)
  return Option.flatMap(state, (held) => Option.fromNullOr(peerOf(options.peer, held)))
})

const stateOf = Effect.fnUntraced(function*(tenant: string, peer: string) {
  const sqlite = yield* Sqlite
  const [row] = yield* sqlite.all<{ state: string }>(`${readPeersOf} and peer = ?`, tenant, peer)
  return Option.map(Option.fromUndefinedOr(row), ({ state }) => JSON.parse(state) as State)
})

const readPeersOf = "select peer, state from peer where tenant = (select id from tenant where name = ?)"
const readPeers = `${readPeersOf} order by peer`
