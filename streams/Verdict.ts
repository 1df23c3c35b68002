import { Schema } from "effect"
import { Sequence, Time } from "./ids.ts"

const answer = { log_id: Schema.String, log_epoch: Schema.Int }
/** The author at fault, where that is not the sender: a companion whose commit its local backend brought. */
const whose = { author: Schema.optionalKey(Schema.String) }

/**
 * What ingest says to a commit. Each verdict asks the relay for one thing;
 * `src/local/onVerdict.ts` has a row for each, and the compiler counts them.
 */
export const Verdict = Schema.Union([
  /** `log_seq` is 0 where a local backend keeps a companion's commit in its journal, on its way. */
  Schema.Struct({ verdict: Schema.Literal("committed"), ...answer, log_seq: Sequence }),
  Schema.Struct({ verdict: Schema.Literal("busy"), ...answer }),
  Schema.Struct({ verdict: Schema.Literal("rate_limited"), ...answer, retry_after_ms: Schema.Int }),
  Schema.Struct({ verdict: Schema.Literal("expired"), ...answer, ...whose }),
  Schema.Struct({ verdict: Schema.Literal("withheld"), ...answer, settings_seq: Sequence }),
  Schema.Struct({ verdict: Schema.Literal("chain_mismatch"), ...answer, head: Schema.NullOr(Schema.String) }),
  Schema.Struct({ verdict: Schema.Literal("revoked"), ...answer, ...whose }),
  Schema.Struct({ verdict: Schema.Literal("unknown_peer"), ...answer, ...whose }),
  Schema.Struct({ verdict: Schema.Literal("bad_signature"), ...answer }),
  /** `event_id` is `""` where the commit itself, and no single event, is at fault. */
  Schema.Struct({ verdict: Schema.Literal("invalid"), ...answer, event_id: Schema.String, why: Schema.String })
])
export type Verdict = typeof Verdict.Type
export type VerdictName = Verdict["verdict"]

/** A peer reports how far it is and asks how far the log is. Every 10 s, and on `status`. */
export const HeadRequest = Schema.Struct({
  log_epoch: Schema.Int,
  mirror_seq: Sequence,
  journal: Schema.String.check(Schema.isMaxLength(64)),
  journal_seq: Sequence,
  /** The peer's clock. */
  time: Schema.optionalKey(Time),
  /** Once after a start: what the mirror holds, to be compared with the log. A restored one has a hole that nothing else shows. */
  mirror: Schema.optionalKey(Schema.Struct({ last_seq: Sequence, messages: Sequence })),
  /** Places that do not verify here, also after the mirror was fetched anew: the hosted side, which may know of fewer, then reads the log again. */
  damaged: Schema.optionalKey(Sequence)
})
export type HeadRequest = typeof HeadRequest.Type

/** `head`: this author's last valid record as stored, `head_seq` its place; *in step* needs the mirror at `tenant_last_seq`. */
export const HeadAnswer = Schema.Struct({
  verdict: Schema.Literal("head"),
  ...answer,
  tenant_last_seq: Sequence,
  head: Schema.NullOr(Schema.String),
  head_seq: Sequence,
  /** The hosted side's clock. */
  time: Schema.optionalKey(Time),
  /** The answer to `mirror`: it holds as many messages as the log up to there. */
  mirror_whole: Schema.optionalKey(Schema.Boolean),
  /** The answer to `damaged`, where another server feeds the mirror from now on: it is to be fetched anew. */
  mirror_again: Schema.optionalKey(Schema.Boolean),
  /** Who signs the tokens of links now (`iss`): one of another is renewed. Nothing where that was never replaced. */
  leaf_issuer: Schema.optionalKey(Schema.String),
  /** Each peer's reported position in the log, for `everywhere`: unrevoked peers seen in 30 days. */
  positions: Schema.optionalKey(Schema.Array(Schema.Struct({ peer_id: Schema.String, log_seq: Sequence, seen_at: Schema.String })))
})
export type HeadAnswer = typeof HeadAnswer.Type

/** `ids` of a commit record, from the ids of the journal events it covers, in order: what gets hashed. */
export const joinIds = (ids: ReadonlyArray<string>): string => ids.join("\n")
