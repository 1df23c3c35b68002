import { Duration, Effect, Option, Schema, Stream } from "effect"
import { PeerId } from "../../streams/ids.ts"
import { syncOutcomes } from "../../streams/SyncTally.ts"
import type { KeyValue, KeyValueUnavailable } from "../nats/keyValue.ts"
import type { PeerWatch } from "./PeerWatch.ts"

/** What was seen is told of for so long, or less where thousands of peers fill the hub's memory: it says how things go lately. */
export const sightingsBucket = { bucket: "SIGHTINGS", ageMax: Duration.hours(1), whenFull: "drop-oldest" } as const

/** Told together: a write for each would cost as much as the commit, and an hour's worth of them is in the hub's memory. */
const tellEvery = Duration.seconds(1)
const retryEvery = Duration.seconds(1)

/** Something one hosted process saw of one peer. Times in milliseconds since 1970. */
export const Sighting = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("try"), peer: PeerId, at: Schema.Int, outcome: Schema.Literals(syncOutcomes), about: Schema.String, times: Schema.Int }),
  Schema.Struct({ kind: Schema.Literal("report"), peer: PeerId, at: Schema.Int, pending: Schema.Int, skew: Schema.NullOr(Schema.Int), written: Schema.Int, through: Schema.Int })
])
export type Sighting = typeof Sighting.Type

const readSightings = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Sighting)))
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Tell the other hosted processes what this one sees of peers, and hear what they see, for ever: whichever is asked says
 * the same, and one that has just started knows the last hour. A key is a process and a number, so nothing counts twice.
 */
export const keepSightings = (watch: PeerWatch, options: { readonly name: string; readonly open: Effect.Effect<KeyValue, { readonly _tag: string }> }): Effect.Effect<never> => {
  const heard = new Map<string, number>()
  let told = 0
  let telling: Uint8Array | undefined

  const tell = (bucket: KeyValue) => Effect.forever(Effect.gen(function*() {
    telling ??= bytesOf(watch.untold())
    if (telling !== undefined) {
      // a conflict is this very write, whose answer got lost
      yield* bucket.update(`${options.name}.${told + 1}`, telling, 0).pipe(Effect.catchTag("KeyConflict", () => Effect.void))
      told++
      telling = undefined
    }
    yield* Effect.sleep(tellEvery)
  }))

  const listen = (bucket: KeyValue): Effect.Effect<void, KeyValueUnavailable> => bucket.watch.pipe(Stream.runForEach((change) => Effect.sync(() => {
    if (change._tag === "ready" || change.value === undefined) return
    const [by = "", number = ""] = change.key.split(".")
    if (by === options.name || Number(number) <= (heard.get(by) ?? 0)) return
    heard.set(by, Number(number))
    for (const sighting of Option.getOrElse(readSightings(decoder.decode(change.value)), () => [])) watch.take(sighting)
  })))

  return options.open.pipe(
    Effect.flatMap((bucket) => Effect.raceFirst(tell(bucket), listen(bucket))),
    // the hub is away, or came back without what was in its memory
    Effect.ignore,
    Effect.andThen(Effect.sleep(retryEvery)),
    Effect.forever)
}

const bytesOf = (sightings: ReadonlyArray<Sighting>): Uint8Array | undefined => sightings.length === 0 ? undefined : encoder.encode(JSON.stringify(sightings))
