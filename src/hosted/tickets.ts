import { createHash, randomBytes } from "node:crypto"
import { Clock, Duration, Effect, Option, Result, Schema } from "effect"
import { type Ticket, Tickets } from "../../streams/Access.ts"
import { StoreUnavailable } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import type { KeyValue } from "../nats/keyValue.ts"

/** Where the hosted processes share tickets: in the hub's memory, forgotten soon after they end. */
export const ticketBucket = { bucket: "TICKETS", ageMax: Duration.minutes(2) } as const

const life = Duration.seconds(30)
const Held = Schema.fromJsonString(Schema.Struct({ tenant: Schema.String, backendId: Schema.optionalKey(Schema.String), peer: Schema.String, until: Schema.Finite }))
const readHeld = Schema.decodeUnknownOption(Held)
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const used = encoder.encode("used")

const unavailable = new StoreUnavailable({ hint: "The hub does not answer right now; ask for another ticket in a moment." })

/** The store holds no ticket, only what it is recognised by: reading it lets nobody in. */
const keyOf = (ticket: string): string => createHash("sha256").update(ticket).digest("base64url")

/** Tickets good on every process: whoever first marks one as used has redeemed it. */
export const hostedTickets = (store: KeyValue): Tickets["Service"] => ({
  issue: Effect.fnUntraced(function*(held: Ticket) {
    const ticket = randomBytes(32).toString("base64url")
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(life)
    yield* store.create(keyOf(ticket), encoder.encode(JSON.stringify({ ...held, until }))).pipe(Effect.mapError(() => unavailable))
    return { ticket, expires_at: isoTime(until) }
  }),
  redeem: Effect.fnUntraced(function*(ticket: string): Effect.fn.Return<Ticket | undefined, StoreUnavailable> {
    const key = keyOf(ticket)
    const found = yield* store.get(key).pipe(Effect.mapError(() => unavailable))
    if (Option.isNone(found)) return undefined
    const held = readHeld(decoder.decode(found.value.value))
    if (Option.isNone(held) || held.value.until <= (yield* Clock.currentTimeMillis)) return undefined
    const marked = yield* Effect.result(store.update(key, used, found.value.revision))
    if (Result.isFailure(marked)) return marked.failure._tag === "KeyConflict" ? undefined : yield* unavailable
    return { tenant: held.value.tenant, backendId: held.value.backendId, peer: held.value.peer }
  })
})
