import { Effect } from "effect"
import { stampOf } from "../../streams/Envelope.ts"
import type { Projection } from "../Projection.ts"
import { keyIdOf } from "./keyId.ts"
import { keepTold } from "../toldOnce.ts"
import { apply, empty, isPeerFact, type PeerFact, type State } from "./apply.ts"

/** Who writes here, and with which keys. The table keeps each peer's fold: a few registrations and rotations. */
export const peers: Projection = {
  name: "peers",
  shape: 1,
  ddl: [
    "create table peer (tenant integer not null, peer text not null, state text not null, primary key (tenant, peer)) strict, without rowid"
  ],
  absorb: Effect.fnUntraced(function*(tx, batch) {
    for (const event of batch.events) {
      const { opened: { envelope, fact }, tenant } = event
      if (!isPeerFact(fact)) continue
      yield* keepTold(tx, event, whatOf(fact), fact.type === "peer.renewed")
      const peer = fact.data.peer_id
      const [row] = yield* tx.all<{ state: string }>("select state from peer where tenant = ? and peer = ?", tenant, peer)
      // this build wrote it: another build's tables have another shape and were dropped
      const held = row === undefined ? empty : JSON.parse(row.state) as State
      const state = apply(held, { fact, stamp: stampOf(envelope) })
      yield* tx.run("insert into peer values (?, ?, ?) on conflict do update set state = excluded.state", tenant, peer, JSON.stringify(state))
    }
  }),
  forget: (tx, tenant) => Effect.asVoid(tx.run("delete from peer where tenant = ?", tenant))
}

/** A peer registers and is revoked once, and renews again and again; each of its keys is told of by itself. */
const whatOf = (fact: PeerFact): string => {
  const key = fact.type === "key.rotated" ? ` ${keyIdOf(fact.data.public_key)}` : fact.type === "peer.confirmed" ? ` ${fact.data.key_id}` : ""
  return `${fact.type} ${fact.data.peer_id}${key}`
}
