import { Effect, Layer, Option } from "effect"
import type { Shared } from "../../projections/Entry.ts"
import { countConflicts } from "../../projections/conversations/history.ts"
import { stateDigest } from "../../projections/conversations/digest.ts"
import { counts, greatestLamport } from "../../projections/conversations/queries.ts"
import { allProjections } from "../../projections/projections.ts"
import { listPeers, peerById } from "../../projections/peers/queries.ts"
import { Projections } from "../../projections/runner.ts"
import { settingsOf } from "../../projections/settings/queries.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { allAuthors, allHeads, expiredOf, formsOf, heldOf, placesOf, withheldFor } from "../../projections/syncState/places.ts"
import { committed, damage, note, problemCounts, problemPlaces, problems, putNote, reportPositions } from "../../projections/syncState/queries.ts"
import { selfTenant } from "../../streams/Backend.ts"
import { alreadyThere, expiredWhy } from "./prepare.ts"
import type { Tables } from "./Tables.ts"

/** The read models of a local backend, in one file that may be deleted at any time. */
export const projectionsLayer = (path: string) =>
  Projections.layer(allProjections).pipe(Layer.provideMerge(Sqlite.layer({ path })))

const listedMax = 100
const comparedKey = "compared in epoch"

/** A failing SQLite is a defect here: the process stops with its hint, and starts again from the logs. */
export const tablesOf = (source: string): Effect.Effect<Tables, never, Sqlite> => Effect.gen(function*() {
  const sqlite = yield* Sqlite
  const ask = <A, E>(query: Effect.Effect<A, E, Sqlite>): Effect.Effect<A> => query.pipe(Effect.provideService(Sqlite, sqlite), Effect.orDie)
  return {
    heads: ask(allHeads),
    keys: ask(allAuthors),
    settings: ask(Effect.map(settingsOf(selfTenant), ({ settings }) => settings)),
    greatestLamport: ask(greatestLamport(selfTenant)),
    notToSend: (ids) =>
      ask(Effect.map(placesOf(selfTenant, ids), (places) => new Map(places.flatMap(({ eventId, seq, withheld }): ReadonlyArray<readonly [string, string]> =>
        seq !== null || withheld === expiredWhy ? [[eventId, alreadyThere]] : withheld?.startsWith("set aside") === true ? [[eventId, withheld]] : [])))),
    lacks: (ids) => ask(Effect.map(placesOf(selfTenant, ids), (places) => places.length < new Set(ids).size)),
    comparedIn: ask(Effect.map(note(selfTenant, comparedKey), (value) => Option.match(value, { onNone: () => undefined, onSome: String }))),
    keepCompared: (epoch) => ask(putNote(selfTenant, comparedKey, epoch)),
    problemPlaces: ask(Effect.map(problemPlaces(["gap", "forked", "quarantined", "uncovered", "malformed", "parked"]), (places) => places.get(selfTenant) ?? new Set<number>())),
    ownForms: (ids) =>
      ask(Effect.map(formsOf(selfTenant, ids), (forms) => new Map(forms.map(({ content, conversation, eventId, message_id, role }): readonly [string, Shared] => [eventId, {
        conversation,
        ...(message_id === null ? { ...(content === null ? {} : { title: content }) } : { message_id, ...(content === null ? {} : { content }), ...(role === null ? {} : { role }) })
      }])))),
    held: (ids) => ask(heldOf(selfTenant, source, ids)),
    expired: ask(expiredOf(selfTenant)),
    counts: ask(Effect.gen(function*() {
      const visible = yield* counts(selfTenant)
      const wrong = yield* problemCounts(selfTenant)
      const [aside] = yield* sqlite.all<{ count: number }>(
        "select count(*) as count from event where tenant = (select id from tenant where name = ?) and withheld is not null and withheld like 'set aside%'", selfTenant)
      return {
        ...(visible as { readonly conversations: number; readonly messages: number }),
        conflicts: yield* countConflicts(selfTenant),
        quarantined: [...wrong.values()].reduce((sum, count) => sum + count, 0),
        setAside: aside?.count ?? 0
      }
    })),
    keepPositions: (positions) => ask(reportPositions(selfTenant, positions)),
    withheld: ask(Effect.map(withheldFor(selfTenant, "surface"), (ids) => new Set(ids))),
    isRevoked: (peer) => ask(Effect.map(peerById({ tenant: selfTenant, peer }), (found) => Option.isSome(found) && found.value.revoked !== null)),
    committed: ask(committed(selfTenant)),
    quarantined: ask(Effect.map(damage, (places) => places.get(selfTenant) ?? 0)),
    peers: ask(listPeers(selfTenant)),
    settingsSeq: ask(Effect.map(settingsOf(selfTenant), ({ seq }) => seq)),
    digest: ask(stateDigest(selfTenant)),
    problems: ask(problems({ tenant: selfTenant, limit: listedMax }))
  }
})
