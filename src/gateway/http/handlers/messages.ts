import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { checkContent, checkId, checkName, checkTimestamp } from "../../checks.ts"
import { Reads } from "../../Reads.ts"
import { Recording } from "../../Recording.ts"
import { noMessage } from "../../writes/means.ts"
import { messageWrites } from "../../writes/messages.ts"
import { Api } from "../api.ts"
import { jsonOf, optional, required } from "../body.ts"
import { Caller } from "../caller.ts"
import { idOf } from "../../../../streams/paths.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"
import type { MessageWritten, Recorded } from "../wire.ts"
import { common, messageId, newMessage } from "./asked.ts"

/** Messages: add, edit, delete, history, restore. */
export const messageHandlers = HttpApiBuilder.group(Api, "messages", Effect.fn(function*(handlers) {
  const reads = yield* Reads
  const recording = yield* Recording
  const writes = yield* messageWrites
  const answer = (written: typeof MessageWritten.Type, status = 200) => json<typeof MessageWritten.Type>(written, { status, version: written.stamp.lamport })

  return handlers.handleAll({
    remove: ({ headers, params, query }) =>
      Effect.gen(function*() {
        const about = yield* common({ conversation: idOf(params.conversation_id), surface: query.surface, query, ifMatch: headers["if-match"] })
        return json<typeof Recorded.Type>(yield* writes.remove(about, yield* messageId(params.message_id)))
      }),
    history: ({ params }) =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        const id = yield* messageId(params.message_id)
        yield* recording.settled(tenant)
        const history = yield* refused(reads.history(tenant, idOf(params.conversation_id), id))
        return history.length === 0 ? yield* noMessage(id, "GET the conversation for the ids it has.") : json({ writes: history })
      })
  }).handleRaw("append", ({ headers, params, query, request }) =>
    Effect.gen(function*() {
      const body = yield* jsonOf(request)
      const { id, surface, ...words } = yield* newMessage(body)
      const about = yield* common({ conversation: idOf(params.conversation_id), surface, query, ifMatch: headers["if-match"] })
      return answer(yield* writes.append(about, id, words), 201)
    })).handleRaw("edit", ({ headers, params, query, request }) =>
      Effect.gen(function*() {
        const body = yield* jsonOf(request)
        const content = yield* required(body, "content", checkContent)
        const role = yield* optional(body, "role", checkName)
        const timestamp = yield* optional(body, "timestamp", checkTimestamp)
        const surface = yield* optional(body, "surface", checkName)
        const about = yield* common({ conversation: idOf(params.conversation_id), surface, query, ifMatch: headers["if-match"] })
        return answer(yield* writes.edit(about, yield* messageId(params.message_id), { role, content, timestamp }))
      })).handleRaw("restore", ({ headers, params, query, request }) =>
        Effect.gen(function*() {
          const body = yield* jsonOf(request)
          const eventId = yield* required(body, "event_id", checkId)
          const surface = yield* optional(body, "surface", checkName)
          const about = yield* common({ conversation: idOf(params.conversation_id), surface, query, ifMatch: headers["if-match"] })
          return answer(yield* writes.restore(about, yield* messageId(params.message_id), eventId))
        }))
}))
