import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { checkId, checkName, checkTitle } from "../../checks.ts"
import { readLimit } from "../../conditions.ts"
import { Reads } from "../../Reads.ts"
import { Recording } from "../../Recording.ts"
import { conversationWrites } from "../../writes/conversations.ts"
import { newId, noConversation } from "../../writes/means.ts"
import { Api } from "../api.ts"
import { jsonOf, optional, required } from "../body.ts"
import { Caller } from "../caller.ts"
import { idOf } from "../../../../streams/paths.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"
import type { Conversation, Recorded } from "../wire.ts"
import { common } from "./asked.ts"

/** Conversations as a whole: list, read, begin, rename, delete. */
export const conversationHandlers = HttpApiBuilder.group(Api, "conversations", Effect.fn(function*(handlers) {
  const reads = yield* Reads
  const recording = yield* Recording
  const writes = yield* conversationWrites
  const answer = (conversation: typeof Conversation.Type, status = 200) =>
    json<typeof Conversation.Type>(conversation, { status, version: conversation.version })

  return handlers.handleAll({
    list: ({ query }) =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        const limit = yield* readLimit(query.limit)
        yield* recording.settled(tenant)
        return json(yield* refused(reads.list({ tenant, limit, cursor: query.cursor })))
      }),
    search: ({ query }) =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        const limit = yield* readLimit(query.limit)
        yield* recording.settled(tenant)
        return json(yield* refused(reads.search({ tenant, words: query.q, limit, cursor: query.cursor })))
      }),
    get: ({ params }) =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        const id = idOf(params.conversation_id)
        yield* recording.settled(tenant)
        const found = yield* refused(reads.conversation(tenant, id))
        return found === undefined ? yield* noConversation(id) : answer(found)
      }),
    remove: ({ headers, params, query }) =>
      Effect.gen(function*() {
        const about = yield* common({ conversation: idOf(params.conversation_id), surface: query.surface, query, ifMatch: headers["if-match"] })
        return json<typeof Recorded.Type>(yield* writes.remove(about))
      })
  }).handleRaw("create", ({ query, request }) =>
    Effect.gen(function*() {
      const body = yield* jsonOf(request)
      const id = yield* optional(body, "conversation_id", checkId)
      const title = yield* optional(body, "title", checkTitle)
      const surface = yield* optional(body, "surface", checkName)
      const about = yield* common({ conversation: id ?? (yield* newId), surface, query })
      return answer(yield* writes.create(about, title), 201)
    })).handleRaw("rename", ({ headers, params, query, request }) =>
      Effect.gen(function*() {
        const body = yield* jsonOf(request)
        const title = yield* required(body, "title", checkTitle)
        const surface = yield* optional(body, "surface", checkName)
        const about = yield* common({ conversation: idOf(params.conversation_id), surface, query, ifMatch: headers["if-match"] })
        return answer(yield* writes.rename(about, title))
      }))
}))
