import { Duration, Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Socket } from "effect/socket"
import { Tickets } from "../../../../streams/Access.ts"
import { Audit } from "../../../../streams/Audit.ts"
import { type TelemetryFrom, TelemetryStore } from "../../../../streams/TelemetryStore.ts"
import { credentialOf } from "../../websocket/credentials.ts"
import { answerFrames } from "../../websocket/telemetryFrames.ts"
import { Doorkeeper } from "../access.ts"
import { Api } from "../api.ts"
import { Closing } from "../Closing.ts"
import { type Problem, problem, refused } from "../problems.ts"
import { audited } from "../refusals.ts"
import { fromOf, ownPeer } from "./telemetry.ts"

/**
 * Why we close: 1001 the backend stops, 1008 the token or registration ended. (1009 a frame of more than 1 MiB and 1007 one
 * that is not UTF-8 are the protocol's own; 1011 is our fault.) After 1001 and 1011 come back; after 1008 register first.
 */
const stopping = new Socket.CloseEvent(1001, "the backend stops; connect again in a moment")
const tokenEnded = new Socket.CloseEvent(1008, "the token has ended; register again, then connect")

/** A revoked or expired peer is cut within a second. */
const recheckEvery = Duration.millis(500)
/** Connections one peer may hold open. */
const connectionsMax = 32

/** `WS /telemetry/{peer_id}`. */
export const telemetryStreamHandlers = HttpApiBuilder.group(Api, "telemetryStream", Effect.fn(function*(handlers) {
  const store = yield* TelemetryStore
  const tickets = yield* Tickets
  const door = yield* Doorkeeper
  const closing = yield* Closing
  const audit = yield* Audit
  const open = new Map<string, number>()

  /** Who knocks, and until when the credential it knocked with holds. */
  const caller = Effect.fnUntraced(function*(ticket: string | undefined, given: string) {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const credential = credentialOf({ ticket, protocols: headers["sec-websocket-protocol"], authorization: headers["authorization"] })
    if (credential._tag === "none") return yield* door.refusal
    if (credential._tag === "bearer") {
      const asking = yield* door.identify(credential.token)
      const from = fromOf(asking)
      yield* ownPeer(store, from, given)
      return { from, ended: asking.ended }
    }
    const redeemed = yield* refused(tickets.redeem(credential.ticket))
    if (redeemed === undefined || redeemed.peer !== given) return yield* badTicket
    const from: TelemetryFrom = { tenant: redeemed.tenant, backendId: redeemed.backendId }
    return { from, ended: Effect.never }
  })

  const counted = (peer: string) =>
    Effect.acquireRelease(
      Effect.suspend((): Effect.Effect<void, Problem> => {
        const held = open.get(peer) ?? 0
        if (held >= connectionsMax) return Effect.fail(tooMany)
        open.set(peer, held + 1)
        return Effect.void
      }),
      () => Effect.sync(() => {
        const left = (open.get(peer) ?? 1) - 1
        if (left === 0) open.delete(peer)
        else open.set(peer, left)
      }))

  return handlers.handleRaw("stream", ({ params, query, request }) =>
    Effect.gen(function*() {
      const peer = params.peer_id
      const { ended, from } = yield* caller(query.ticket, peer).pipe(audited(audit))
      yield* counted(peer)
      const socket = yield* request.upgrade.pipe(Effect.mapError(() => notAWebSocket))
      yield* converse(socket, store, from, Effect.raceFirst(
        Effect.as(closing.begun, stopping),
        Effect.as(Effect.raceFirst(ended, noLongerHeard(store, from)), tokenEnded)))
      return HttpServerResponse.empty({ status: 101 })
    }).pipe(Effect.scoped))
}))

/**
 * Frames in, answers out, until the client goes or `over` says why we do. What arrived together is stored together, and
 * nothing more is read meanwhile: a client that sends faster than the store takes is held up by TCP, not by our memory.
 */
const converse = (socket: Socket.Socket, store: TelemetryStore["Service"], from: TelemetryFrom, over: Effect.Effect<Socket.CloseEvent>) =>
  Effect.gen(function*() {
    const { write, writeAll } = yield* socket.writer
    const { pull } = yield* socket.reader
    const step = Effect.flatMap(pull, (frames) =>
      // once begun it is finished and answered, also when the backend stops
      Effect.uninterruptible(Effect.flatMap(answerFrames(store, from, frames), (answers) => {
        const [first, ...rest] = answers.map((answer) => JSON.stringify(answer))
        return first === undefined ? Effect.void : writeAll([first, ...rest])
      })))
    const why = yield* Effect.raceFirst(over, Effect.forever(step))
    yield* write(why)
    // the client's half of the closing handshake
    yield* pull.pipe(Effect.forever, Effect.timeoutOption(Duration.seconds(1)), Effect.ignore)
  }).pipe(Effect.catchTag("SocketError", () => Effect.void))

const noLongerHeard = (store: TelemetryStore["Service"], from: TelemetryFrom): Effect.Effect<void> =>
  Effect.gen(function*() {
    while (yield* store.isHeard(from)) yield* Effect.sleep(recheckEvery)
  })

const badTicket = problem("unauthorized", "The ticket is unknown, used, older than 30 s, or another peer's.", "POST /telemetry/{peer_id}/ticket for a new one.")
const notAWebSocket = problem("upgrade-required", "This address speaks WebSocket only.", "Connect with a WebSocket client, or POST /telemetry.")
const tooMany = problem("rate-limited", `This peer holds ${connectionsMax} connections.`, "One connection carries any number of events; close the others.", { retry_after_s: 30 })
