import { Clock, Duration, Effect, Option, Redacted, Schema } from "effect"
import { type Advisor, type AdvisorAnswer, AdvisorFailed, type AdvisorQuestion } from "../../streams/Advisor.ts"
import { contentMaxBytes } from "../../streams/limits.ts"
import type { TelemetryDraft } from "../../streams/telemetry.ts"
import { account, type KeystoreError, type Keystore } from "../security/Keystore.ts"
import { Completion, nothingRead, readMore, type Usage } from "./advisorStream.ts"

/** The model server of the start-up settings. Nobody can name another one later. */
export interface AdvisorOptions {
  /** OpenAI-compatible base: `https://…/v1`. */
  readonly url: URL
  readonly model: string
  /** US dollars per million tokens, where the server does not tell what an answer cost. */
  readonly price?: { readonly input: number; readonly output: number }
}

export interface AdvisorKey {
  readonly get: Effect.Effect<Option.Option<Redacted.Redacted<string>>, KeystoreError>
  readonly set: (key: Redacted.Redacted<string>) => Effect.Effect<void, KeystoreError>
}

/** The key's place in this backend's keystore. */
export const advisorKeyOf = (keystore: Keystore["Service"], backendId: string): AdvisorKey => {
  const at = account(backendId, "advisor")
  return {
    get: keystore.get(at),
    set: (key) => Redacted.value(key) === "" ? Effect.asVoid(keystore.delete(at)) : keystore.set(at, key)
  }
}

/** Until the answer begins. A large model thinks for a while. */
const beginsWithin = Duration.seconds(60)
/** Between two pieces of it. */
const piecesWithin = Duration.seconds(30)
/** The whole of it. */
const endsWithin = Duration.minutes(5)
/** Bytes read of an answer; JSON around the longest content fits. */
const answerMaxBytes = 4 * contentMaxBytes

const failed = (status: AdvisorFailed["status"], type: string, hint: string, retry_after_s?: number) =>
  new AdvisorFailed({ status, type: `advisor-${type}`, hint, ...(retry_after_s === undefined ? {} : { retry_after_s }) })
const notSetUp = failed(409, "not-set-up", "Start the local backend with MAESTRA_ADVISOR_URL (and MAESTRA_ADVISOR_MODEL) set to a model server that speaks the OpenAI protocol.")
const unreachable = failed(503, "unreachable", "The model server does not answer. The question is kept; ask again when it is up.", 5)
const slow = failed(504, "slow", "The model server took too long. The question is kept; ask again, or use a smaller model.")
const malformed = failed(502, "malformed", "The model server's answer is not one of the OpenAI protocol. The question is kept; check MAESTRA_ADVISOR_URL.")

/** Ask the model server of the settings; tell telemetry how it went. */
export const makeAdvisor = (options: AdvisorOptions | undefined, by: { readonly key: AdvisorKey; readonly sink: { readonly emit: (draft: TelemetryDraft) => Effect.Effect<void> } }): Advisor["Service"] => ({
  setKey: (key) => by.key.set(key).pipe(Effect.mapError(() => failed(503, "not-stored", "The keychain does not take the key; `maestra doctor` looks at it."))),
  ask: (question, onText) =>
    Effect.gen(function*() {
      if (options === undefined) return yield* notSetUp
      const began = yield* Clock.currentTimeMillis
      const key = yield* by.key.get.pipe(Effect.mapError(() => failed(503, "key-unreadable", "The keychain cannot be read; `maestra doctor` looks at it. The question is kept.")))
      const asked = options.model
      const answer = yield* askUpstream(options, Option.getOrUndefined(key), question, onText).pipe(
        Effect.timeoutOrElse({ duration: endsWithin, orElse: () => Effect.fail(slow) }),
        Effect.onError(() => Effect.flatMap(Clock.currentTimeMillis, (now) => by.sink.emit({ event_type: "advisor_ask", latency_ms: now - began, model: question.model ?? asked, metadata: { outcome: "failed" } }))))
      const latency_ms = (yield* Clock.currentTimeMillis) - began
      yield* by.sink.emit({ event_type: "advisor_ask", latency_ms, model: answer.model, ...figures(answer), metadata: { outcome: "ok", answer_length: answer.content.length } })
      return { ...answer, latency_ms }
    })
})

const figures = ({ cost_usd, tokens_used }: Pick<AdvisorAnswer, "tokens_used" | "cost_usd">) => ({
  ...(tokens_used === undefined ? {} : { tokens_used }),
  ...(cost_usd === undefined ? {} : { cost_usd })
})

type Upstream = Omit<AdvisorAnswer, "latency_ms">

const askUpstream = Effect.fnUntraced(function*(
  options: AdvisorOptions,
  key: Redacted.Redacted<string> | undefined,
  question: AdvisorQuestion,
  onText: ((text: string) => Effect.Effect<void>) | undefined
): Effect.fn.Return<Upstream, AdvisorFailed> {
  const model = question.model ?? options.model
  const body = { model, messages: question.messages, ...(onText === undefined ? {} : { stream: true, stream_options: { include_usage: true } }) }
  return yield* Effect.gen(function*() {
    // the connection ends with the question, however that ends
    const signal = yield* Effect.abortSignal
    const response = yield* Effect.tryPromise({
      try: () => fetch(endpointOf(options.url), {
        method: "POST",
        signal,
        // a redirect could send question and key anywhere
        redirect: "manual",
        headers: { "content-type": "application/json", ...(key === undefined || !mayCarryKey(options.url) ? {} : { authorization: `Bearer ${Redacted.value(key)}` }) },
        body: JSON.stringify(body)
      }),
      catch: () => unreachable
    }).pipe(Effect.timeoutOrElse({ duration: beginsWithin, orElse: () => Effect.fail(slow) }))
    if (!response.ok) return yield* refusalOf(response)
    const streams = response.headers.get("content-type")?.startsWith("text/event-stream") === true
    return streams ? yield* readStream(response, options, model, onText) : yield* readWhole(response, options, model, onText)
  }).pipe(Effect.scoped)
})

const endpointOf = (base: URL): string => {
  const path = base.pathname.replace(/\/+$/, "")
  return new URL(`${path.endsWith("/chat/completions") ? path : `${path}/chat/completions`}${base.search}`, base).href
}

/** Never in the clear over a network. */
const mayCarryKey = ({ hostname, protocol }: URL): boolean =>
  protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname)

const refusalOf = ({ headers, status }: Response): AdvisorFailed => {
  if (status === 429) {
    const wait = Number(headers.get("retry-after") ?? Number.NaN)
    return failed(429, "rate-limited", "The model server wants fewer questions. The question is kept; ask again later.", Number.isFinite(wait) && wait >= 0 ? Math.min(Math.ceil(wait), 86_400) : 10)
  }
  if (status >= 300 && status < 400) return failed(502, "refused", "The model server sends us elsewhere, and redirects are not followed: set MAESTRA_ADVISOR_URL to where it really is.")
  if (status === 401 || status === 403) return failed(502, "refused", "The model server does not take the key: `maestra advisor key -` sets another one. The question is kept.")
  return status < 500
    ? failed(502, "refused", `The model server refused the question with ${status}; check MAESTRA_ADVISOR_URL and the model's name. The question is kept.`)
    : failed(502, "failed", `The model server failed with ${status}. The question is kept; ask again later.`, 5)
}

/** The bytes as they come, each within its time, all within their limit. */
const eachPiece = Effect.fnUntraced(function*(response: Response, take: (text: string) => Effect.Effect<boolean>): Effect.fn.Return<void, AdvisorFailed> {
  const reader = response.body?.getReader()
  if (reader === undefined) return yield* malformed
  const decoder = new TextDecoder()
  let bytes = 0
  for (;;) {
    const { done, value } = yield* Effect.tryPromise({ try: () => reader.read(), catch: () => unreachable }).pipe(
      Effect.timeoutOrElse({ duration: piecesWithin, orElse: () => Effect.fail(slow) }))
    if (done) return
    bytes += value.length
    if (bytes > answerMaxBytes) return yield* malformed
    if (!(yield* take(decoder.decode(value, { stream: true })))) return
  }
})

const readStream = Effect.fnUntraced(function*(response: Response, options: AdvisorOptions, asked: string, onText: ((text: string) => Effect.Effect<void>) | undefined) {
  let reading = nothingRead
  let content = ""
  yield* eachPiece(response, Effect.fnUntraced(function*(text) {
    const more = readMore(reading, text)
    reading = more.reading
    content += more.said
    if (more.said !== "" && onText !== undefined) yield* onText(more.said)
    return !reading.isDone && !reading.isMalformed
  }))
  // an answer that breaks off is not passed on as a whole one
  if (reading.isMalformed || !reading.isDone) return yield* malformed
  return yield* answerOf(options, content, reading.model ?? asked, reading.usage)
})

const readCompletion = Schema.decodeUnknownOption(Schema.fromJsonString(Completion))

const readWhole = Effect.fnUntraced(function*(response: Response, options: AdvisorOptions, asked: string, onText: ((text: string) => Effect.Effect<void>) | undefined) {
  let text = ""
  yield* eachPiece(response, (more) => Effect.sync(() => {
    text += more
    return true
  }))
  const read = readCompletion(text)
  if (Option.isNone(read)) return yield* malformed
  const { choices, model, usage } = read.value
  const answer = yield* answerOf(options, choices[0].message.content, model ?? asked, usage ?? undefined)
  if (onText !== undefined) yield* onText(answer.content)
  return answer
})

const answerOf = (options: AdvisorOptions, content: string, model: string, usage: Usage | undefined): Effect.Effect<Upstream, AdvisorFailed> => {
  if (content === "" || !content.isWellFormed() || Buffer.byteLength(content) > contentMaxBytes) return Effect.fail(malformed)
  const { completion_tokens = 0, prompt_tokens = 0 } = usage ?? {}
  const tokens = usage?.total_tokens ?? (usage === undefined ? undefined : prompt_tokens + completion_tokens)
  const cost = usage?.cost ?? (usage === undefined || options.price === undefined ? undefined : (prompt_tokens * options.price.input + completion_tokens * options.price.output) / 1e6)
  return Effect.succeed({ content, model: model.slice(0, modelMaxLength), ...(tokens === undefined ? {} : { tokens_used: tokens }), ...(cost === undefined ? {} : { cost_usd: cost }) })
}

const modelMaxLength = 256
