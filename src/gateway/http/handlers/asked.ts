import { Effect } from "effect"
import { HttpServerRequest } from "effect/http"
import type { Tier } from "../../../../streams/Backend.ts"
import { traceparentNow } from "../../../../streams/tracing.ts"
import { checkContent, checkId, checkName, checkTimestamp } from "../../checks.ts"
import { readWait } from "../../conditions.ts"
import type { Common, Sender } from "../../writes/means.ts"
import { type Body, checked, optional, required } from "../body.ts"
import { Caller } from "../caller.ts"
import { idOf } from "../../../../streams/paths.ts"
import type { Problem } from "../problems.ts"

/** Surface of a write that names none. */
const surfaceDefault = "api"

interface Asked {
  readonly conversation: string
  readonly surface: string | undefined
  readonly query: { readonly wait?: Tier; readonly timeout_ms?: number }
  readonly ifMatch?: string | undefined
}

/** What the caller, the path, the query and the headers say about a write. */
export const common = (asked: Asked): Effect.Effect<Common, Problem, Caller | HttpServerRequest.HttpServerRequest> =>
  Effect.gen(function*() {
    const { tenant } = yield* Caller
    return {
      tenant,
      conversation: yield* checked("conversation_id", asked.conversation, checkId),
      from: yield* sender(asked.surface ?? surfaceDefault),
      ifMatch: asked.ifMatch,
      wait: yield* readWait(asked.query)
    }
  })

/** Where a write comes from, as its events will say. */
export const sender = (surface: string): Effect.Effect<Sender, never, Caller | HttpServerRequest.HttpServerRequest> =>
  Effect.gen(function*() {
    const { via } = yield* Caller
    const traceparent = yield* traceparentNow((yield* HttpServerRequest.HttpServerRequest).headers["traceparent"])
    return {
      surface,
      ...(via === undefined ? {} : { via }),
      ...(traceparent === undefined ? {} : { traceparent })
    }
  })

/** A message as it is sent to be added. Events call its id `message_id`, and so may a caller. */
export const newMessage = (body: Body) =>
  Effect.gen(function*() {
    return {
      id: yield* optional(body, body["id"] === undefined ? "message_id" : "id", checkId),
      role: yield* required(body, "role", checkName),
      content: yield* required(body, "content", checkContent),
      timestamp: yield* optional(body, "timestamp", checkTimestamp),
      surface: yield* optional(body, "surface", checkName)
    }
  })

/** The message id of a path segment. */
export const messageId = (segment: string) => checked("message_id", idOf(segment), checkId)
