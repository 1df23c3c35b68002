import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Operator, Tenant } from "../caller.ts"
import { refusals } from "../problems.ts"

export const AskAdvisor = Schema.Struct({
  question: Schema.String,
  /** A new conversation without it. */
  conversation_id: Schema.optionalKey(Schema.String),
  /** Of the question, so that asking again after a failure adds no second one. */
  message_id: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  surface: Schema.optionalKey(Schema.String),
  /** The answer as Server-Sent Events: `delta` for each piece, `answer` for the whole, or `problem`. */
  stream: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "AskAdvisor", examples: [{ question: "What should I cook tonight?", conversation_id: "dinner" }] })

export const Advice = Schema.Struct({
  conversation_id: Schema.String,
  question_id: Schema.String,
  answer_id: Schema.String,
  content: Schema.String,
  model: Schema.String,
  latency_ms: Schema.Finite,
  tokens_used: Schema.optionalKey(Schema.Finite),
  cost_usd: Schema.optionalKey(Schema.Finite)
}).annotate({ identifier: "Advice" })

/** The model server of the settings: question and answer become messages of a conversation. */
export class AdvisorQuestions extends HttpApiGroup.make("advisor").add(
  HttpApiEndpoint.post("ask", "/api/maestra/advisor/ask", {
    payload: AskAdvisor,
    success: Advice,
    error: refusals(409, 413, 429, 502, 503, 504, 507)
  })
).middleware(Tenant) {}

/** Its key, which goes into the keychain and never out of it. */
export class AdvisorKeys extends HttpApiGroup.make("advisorKeys").add(
  HttpApiEndpoint.put("set", "/api/maestra/advisor/key", {
    payload: Schema.Struct({ key: Schema.String }),
    success: Schema.Struct({ sentence: Schema.String }),
    error: refusals(503)
  })
).middleware(Operator) {}
