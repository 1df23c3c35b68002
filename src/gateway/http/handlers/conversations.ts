import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { checkId, checkName, checkTitle } from "../../checks.ts"
import { readLimit } from "../../conditions.ts"
import { Reads } from "../../Reads.ts"
import { Recording } from "../../Recording.ts"
import { conversationWrites } from "../../writes/conversations.ts"
import { newId, noConversation } from "../../writes/means.ts"
import { messageWrites } from "../../writes/messages.ts"
import { Api } from "../api.ts"
import { type Body, invalid, jsonOf, optional, required } from "../body.ts"
import { Caller } from "../caller.ts"
import { idOf } from "../../../../streams/paths.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"
import type { Conversation, Recorded } from "../wire.ts"
import { common, newMessage } from "./asked.ts"

/** Each is a write of its own: more than this is an import. */
const messagesMax = 100

/** Conversations as a whole: list, read, begin, rename, delete. */
export const conversationHandlers = HttpApiBuilder.group(Api, "conversations", Effect.fn(function*(handlers) {
  const reads = yield* Reads
  const recording = yield* Recording
  const writes = yield* conversationWrites
  const added = yield* messageWrites
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
      const messages = yield* messagesOf(body)
      const about = yield* common({ conversation: id ?? (yield* newId), surface, query })
      const begun = yield* writes.create(about, title)
      if (messages.length === 0) return answer(begun, 201)
      for (const { id, surface, ...words } of messages) {
        yield* added.append({ ...about, from: { ...about.from, surface: surface ?? about.from.surface } }, id, words)
      }
      yield* recording.settled(about.tenant)
      const found = yield* refused(reads.conversation(about.tenant, about.conversation))
      return answer(found ?? begun, 201)
    })).handleRaw("rename", ({ headers, params, query, request }) =>
      Effect.gen(function*() {
        const body = yield* jsonOf(request)
        const title = yield* required(body, "title", checkTitle)
        const surface = yield* optional(body, "surface", checkName)
        const about = yield* common({ conversation: idOf(params.conversation_id), surface, query, ifMatch: headers["if-match"] })
        return answer(yield* writes.rename(about, title))
      }))
}))

/** Those a conversation begins with, all looked at before anything is written. */
const messagesOf = ({ messages }: Body) => {
  if (messages === undefined) return Effect.succeed([])
  return Array.isArray(messages) && messages.length <= messagesMax && messages.every(isBody)
    ? Effect.forEach(messages, newMessage)
    : Effect.fail(invalid("messages", `messages is not a list of at most ${messagesMax} messages.`, "Send fewer; POST /import takes any number."))
}
const isBody = (value: unknown): value is Body => typeof value === "object" && value !== null && !Array.isArray(value)
