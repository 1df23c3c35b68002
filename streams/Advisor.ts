import { Context, type Effect, type Redacted, Schema } from "effect"

/** What a model server is asked: the conversation so far, the question last. */
export interface AdvisorQuestion {
  readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string }>
  /** The one of the settings without it. */
  readonly model?: string
}

/** What it said. Figures it did not tell are absent. */
export interface AdvisorAnswer {
  readonly content: string
  readonly model: string
  readonly latency_ms: number
  readonly tokens_used?: number
  readonly cost_usd?: number
}

/**
 * No answer. The question is kept. `type`: `advisor-not-set-up` (409), `advisor-unreachable` (503), `advisor-slow` (504),
 * `advisor-rate-limited` (429), `advisor-refused` (502: key or request), `advisor-failed` (502), `advisor-malformed` (502).
 */
export class AdvisorFailed extends Schema.TaggedError<AdvisorFailed>()("AdvisorFailed", {
  status: Schema.Literals([409, 429, 502, 503, 504]),
  type: Schema.String,
  hint: Schema.String,
  retry_after_s: Schema.optionalKey(Schema.Int)
}) {}

/** The model server of the settings. */
export class Advisor extends Context.Service<Advisor, {
  /** `onText` is given each piece as it comes; a server that does not stream gives one. */
  readonly ask: (question: AdvisorQuestion, onText: ((text: string) => Effect.Effect<void>) | undefined) => Effect.Effect<AdvisorAnswer, AdvisorFailed>
  /** Keep the key the server wants in the keychain; empty removes it. */
  readonly setKey: (key: Redacted.Redacted<string>) => Effect.Effect<void, AdvisorFailed>
}>()("streams/Advisor") {}
