import { Cause, Effect, Queue, Redacted, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Advisor, type AdvisorAnswer, type AdvisorFailed } from "../../../../streams/Advisor.ts"
import { type Check, checkContent, checkId, checkName } from "../../checks.ts"
import { Reads } from "../../Reads.ts"
import { Recording } from "../../Recording.ts"
import { type Common, newId } from "../../writes/means.ts"
import { messageWrites } from "../../writes/messages.ts"
import type { Advice } from "../api/advisor.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf, optional, required } from "../body.ts"
import { Closing } from "../Closing.ts"
import { type BackendError, fromBackend, Problem, typeOf } from "../problems.ts"
import { json } from "../respond.ts"
import { common } from "./asked.ts"

/** Messages before the question that go along: newest first, until one of the limits is reached. */
const contextMessagesMax = 50
const contextCharsMax = 100_000
const roles: ReadonlySet<string> = new Set(["system", "user", "assistant"])
const surfaceDefault = "api"
const keyMaxLength = 2048
const checkKey: Check = (value) => typeof value !== "string" || value.length > keyMaxLength || !/^[\x21-\x7e]*$/.test(value) ? `is not a key of at most ${keyMaxLength} visible ASCII characters` : undefined

/** `POST /api/maestra/advisor/ask`. The question is a message before the model server hears of it, whatever becomes of it there. */
export const advisorHandlers = HttpApiBuilder.group(Api, "advisor", Effect.fn(function*(handlers) {
  const advisor = yield* Advisor
  const reads = yield* Reads
  const recording = yield* Recording
  const writes = yield* messageWrites
  const closing = yield* Closing

  const conversationSoFar = Effect.fnUntraced(function*(about: Common) {
    yield* recording.settledFor(about.tenant, [about.conversation])
    const messages = (yield* reads.conversation(about.tenant, about.conversation))?.messages ?? []
    let chars = 0
    const newest = messages.toReversed().slice(0, contextMessagesMax).filter(({ content }, i) => (chars += content.length) <= contextCharsMax || i === 0)
    return newest.reverse().map(({ content, role }) => ({ role: roles.has(role) ? role : "user", content }))
  })

  /** Keep the answer, and say what there is now. */
  const kept = Effect.fnUntraced(function*(about: Common, questionId: string, answer: AdvisorAnswer) {
    const { message } = yield* writes.append(about, undefined, { role: "assistant", content: answer.content, timestamp: undefined })
    const advice: typeof Advice.Type = { conversation_id: about.conversation, question_id: questionId, answer_id: message.id, ...answer }
    return advice
  })

  return handlers.handleRaw("ask", ({ request }) =>
    Effect.gen(function*() {
      const body = yield* jsonOf(request)
      const content = yield* required(body, "question", checkContent)
      const conversation = (yield* optional(body, "conversation_id", checkId)) ?? (yield* newId)
      const messageId = yield* optional(body, "message_id", checkId)
      const model = yield* optional(body, "model", checkName)
      const surface = (yield* optional(body, "surface", checkName)) ?? surfaceDefault
      const { stream = false } = body
      if (typeof stream !== "boolean") return yield* invalid("stream", "stream is not true or false.", "Leave it out, or send true.")
      const about = yield* common({ conversation, surface, query: {} })
      const question = (yield* Effect.mapError(writes.append(about, messageId, { role: "user", content, timestamp: undefined }), fromBackend)).message
      const messages = yield* Effect.mapError(conversationSoFar(about), fromBackend)
      const asked = { messages, ...(model === undefined ? {} : { model }) }
      const refusal = (error: AdvisorFailed | BackendError | Problem) => failure(error, conversation, question.id)
      if (!stream) {
        return json(yield* advisor.ask(asked, undefined).pipe(Effect.flatMap((answer) => kept(about, question.id, answer)), Effect.mapError(refusal)))
      }
      return streamed((say) => advisor.ask(asked, say).pipe(Effect.flatMap((answer) => kept(about, question.id, answer)), Effect.mapError(refusal)), closing.begun)
    }))
}))

/** The key goes into the keychain; it is never given out, and never in a log. */
export const advisorKeyHandlers = HttpApiBuilder.group(Api, "advisorKeys", Effect.fn(function*(handlers) {
  const advisor = yield* Advisor
  return handlers.handleRaw("set", ({ request }) =>
    Effect.gen(function*() {
      const key = yield* required(yield* jsonOf(request), "key", checkKey)
      yield* Effect.mapError(advisor.setKey(Redacted.make(key)), (error) => failure(error, "", ""))
      return json({ sentence: key === "" ? "The model server's key is removed." : "The model server's key is in the keychain." })
    }))
}))

const failure = (error: AdvisorFailed | BackendError | Problem, conversation: string, question: string): Problem =>
  error instanceof Problem || error._tag !== "AdvisorFailed" ? fromBackend(error) : new Problem({
    type: typeOf(error.type),
    title: "The model server gave no answer",
    status: error.status,
    detail: question === "" ? "Nothing was changed." : `The question is message ${question} of conversation ${conversation}.`,
    hint: error.hint,
    ...(error.retry_after_s === undefined ? {} : { retry_after_s: error.retry_after_s })
  })

/** Pieces as they come, then the whole answer as it was kept; or the problem. Ends with the server; the question is kept. */
const streamed = (ask: (say: (text: string) => Effect.Effect<void>) => Effect.Effect<typeof Advice.Type, Problem>, ended: Effect.Effect<void>) => {
  const events = Stream.callback<string, Cause.Done>((queue) =>
    ask((text) => Effect.asVoid(Queue.offer(queue, sse("delta", { text })))).pipe(
      Effect.matchEffect({ onSuccess: (advice) => Queue.offer(queue, sse("answer", advice)), onFailure: (refusal) => Queue.offer(queue, sse("problem", refusal)) }),
      Effect.andThen(Queue.end(queue))))
  return HttpServerResponse.stream(events.pipe(Stream.interruptWhen(ended), Stream.encodeText), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-cache", "x-accel-buffering": "no", connection: "close" }
  })
}

const sse = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
