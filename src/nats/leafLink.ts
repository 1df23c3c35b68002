import { Clock, Duration, Effect, Option, Schema, type Scope, Stream, SubscriptionRef } from "effect"
import { connectToOwn } from "./connectPatiently.ts"
import type { ConnectFailed } from "./Connection.ts"

export interface LeafLink {
  readonly up: boolean
  /** Milliseconds since 1970 at which `up` became what it is. */
  readonly since: number
  /** Why the link went down last, in the server's words ("Authentication Expired", "Credentials Revoked", …). */
  readonly reason?: string
  /** The other side is there and throws us out as soon as we connect: revoked, expired. It does not say which; HTTP does. */
  readonly refused?: true
}

/** Events tell at once; this is for the one that got lost. */
const checkEvery = "5 seconds"
/** A link the hub throws out again (revoked, expired) exists for some milliseconds: up means it lasted this long. */
const settleFor = "150 millis"
const answerWithin = Duration.seconds(1)

/**
 * Is the leaf link to the hosted side up? Listens to the local server's own account events (no monitoring port, no
 * polling), so that a change shows within a moment. `pass` is `LeafConfig.system`; the connection lives with the scope.
 */
export const watchLeaf = (options: { readonly clientPort: number; readonly system: { readonly user: string; readonly pass: string } }): Effect.Effect<
  SubscriptionRef.SubscriptionRef<LeafLink>,
  ConnectFailed,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const wire = yield* connectToOwn(options, { auth: options.system, name: "leaf watch", inboxPrefix: "_INBOX.sys" })
    const link = yield* SubscriptionRef.make<LeafLink>({ up: false, since: yield* Clock.currentTimeMillis })
    const set = (up: boolean, reason: string | undefined, thrownOut = false) =>
      Effect.gen(function*() {
        const before = SubscriptionRef.getUnsafe(link)
        const refused = !up && (thrownOut || before.refused === true)
        if (before.up === up && refused === (before.refused === true) && (up || reason === undefined || reason === before.reason)) return
        const since = before.up === up ? before.since : yield* Clock.currentTimeMillis
        const why = up ? undefined : reason ?? before.reason
        yield* SubscriptionRef.set(link, { up, since, ...(why === undefined ? {} : { reason: why }), ...(refused ? { refused } : {}) })
      })
    const leafs = wire.request("$SYS.REQ.SERVER.PING.LEAFZ", new Uint8Array(), answerWithin).pipe(
      Effect.map((bytes) => Option.getOrUndefined(decodeLeafz(new TextDecoder().decode(bytes)))?.data.leafs?.map(({ id }) => id) ?? []),
      Effect.orElseSucceed((): ReadonlyArray<number> => [])
    )
    const look = (reason?: string) =>
      Effect.gen(function*() {
        if (!wire.isUp()) return yield* set(false, "the local nats-server is down")
        const before = yield* leafs
        // a leaf that ends while there is none to end was let in for a moment only
        if (before.length === 0) return yield* set(false, reason, reason !== undefined && !SubscriptionRef.getUnsafe(link).up)
        if (SubscriptionRef.getUnsafe(link).up) return
        yield* Effect.sleep(settleFor)
        const after = yield* leafs
        yield* set(after.some((id) => before.includes(id)), reason)
      })
    const events = Stream.fromAsyncIterable(wire.nats.subscribe("$SYS.ACCOUNT.LOCAL.*"), (cause) => cause).pipe(
      Stream.map((message) => Option.getOrUndefined(decodeEvent(message.string()))),
      // connections of the backend itself come and go on the same subjects
      Stream.filter((event) => event?.client.kind === "Leafnode"),
      Stream.map((event) => event?.reason),
      Stream.orDie
    )
    yield* events.pipe(
      Stream.merge(Stream.map(SubscriptionRef.changes(wire.up), () => undefined)),
      Stream.merge(Stream.tick(checkEvery).pipe(Stream.map(() => undefined))),
      Stream.runForEach((reason) => look(reason)),
      Effect.forkScoped
    )
    return link
  })

const decodeLeafz = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({
  data: Schema.Struct({ leafs: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Struct({ id: Schema.Finite })))) })
})))

const decodeEvent = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ client: Schema.Struct({ kind: Schema.optionalKey(Schema.String) }), reason: Schema.optionalKey(Schema.String) }))
)
