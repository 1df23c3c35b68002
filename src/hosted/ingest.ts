import { Clock, Duration, Effect, Result, Schedule, Schema } from "effect"
import { timed } from "../../streams/metrics.ts"
import { noted, traced } from "../../streams/tracing.ts"
import { isoTime } from "../../streams/time.ts"
import type { Drawn, LimitKind } from "../../streams/RateLimits.ts"
import { HeadRequest, type Verdict } from "../../streams/Verdict.ts"
import { parseIngest, patterns, subjects } from "../../streams/subjects.ts"
import type { Connection, Request } from "../nats/Connection.ts"
import { type ParsedCommit, parseCommit, unframe } from "../security/commit.ts"
import type { AuthorKey } from "../security/AuthorKeys.ts"
import { type Admitted, admit, admitAuthor, admitSender, costOf, type Facts, follow, type Refusal } from "../security/admit.ts"
import type { Committer } from "./Committer.ts"
import { type Heads, headOf, type Place } from "./Heads.ts"
import { ingestTelemetry } from "./telemetryIngest.ts"
import type { TelemetryLog } from "./telemetryStore.ts"

/** What a verdict is about to be wrapped into: which log answered. */
export interface LogIdentity {
  readonly id: string
  readonly epoch: number
}

/** What is known when a request arrives. */
export interface IngestFacts extends Facts {
  /** Draw on the sender's limits, which all hosted processes share. Only for what would pass otherwise. */
  readonly draw: (kind: LimitKind, amount: number) => Effect.Effect<Drawn>
}

export interface IngestContext {
  readonly connection: Connection
  readonly heads: Heads
  readonly committer: Committer
  /** Who signs the tokens of links now; nothing where that was never replaced. */
  readonly leafIssuer: () => string | undefined
  /** Which log a tenant's commits go to. */
  readonly identity: (tenant: string) => LogIdentity
  readonly telemetry: TelemetryLog
  /** Facts about a sender, or `undefined` where the tenant is unknown here. */
  readonly facts: (tenant: string, sender: string, now: string) => IngestFacts | undefined
  /** What the tenant store holds now, where this process may not have heard of it yet: a key that was just rotated. */
  readonly refresh: (tenant: string) => Effect.Effect<void>
  /** Told before each commit: readers, who may come to the events before its answer does, reuse what was opened. */
  readonly offered: (admitted: Admitted) => void
  /** Told after each durable commit: the clock and high-water mark rise. */
  readonly committed: (tenant: string, admitted: Admitted, lastSeq: number) => Effect.Effect<void>
  /** Told of a commit that failed: signature, standing, form. */
  readonly refused: (tenant: string, sender: string, verdict: Refusal["verdict"]) => Effect.Effect<void>
  /** Told of each answer to a commit that came over a link. */
  readonly answered: (sender: string, answer: Answer) => Effect.Effect<void>
  /** A peer said how far it is; answers what the tenant's end of the log is, everybody's position, and whether it has to fetch its mirror anew. */
  readonly reported: (tenant: string, sender: string, request: HeadRequest, head: { readonly journal: string; readonly to: number } | undefined, now: string) => Effect.Effect<{
    readonly mirrorAgain: boolean
    readonly tenantLastSeq: number
    readonly positions: ReadonlyArray<{ readonly peer_id: string; readonly log_seq: number; readonly seen_at: string }>
  }>
  /** Replies that are answered: those the server rewrote, and hosted processes' own inboxes. */
  readonly mayAnswer: (reply: string) => boolean
  /** A lost consumer of a peer is made again when it asks where its head is; its mirror is whole up to `from`. */
  readonly ensureConsumer: (tenant: string, peer: string, from: number) => Effect.Effect<void>
  /** How many messages of the tenant the log holds up to there; `undefined` where the log does not answer. */
  readonly countThrough: (tenant: string, seq: number) => Effect.Effect<number | undefined>
}

export type Answer = Refusal | { readonly verdict: "committed"; readonly log_seq: number }

/** Reads of an author's head after an answer got lost; the peer asks again anyway. */
const headRetries = Schedule.max([Schedule.spaced("500 millis"), Schedule.recurs(6)])

/**
 * Serve `ingest.<tenant>.<peer>.<what>` as one of a queue group, for ever.
 *
 * Across the accounts the server rewrites a leaf's reply subject to `_R_.…`; any other reply is the
 * peer's own choice of subject and is not answered.
 */
export const serveIngest = (context: IngestContext): Effect.Effect<never> =>
  context.connection.serve({
    subject: patterns.ingest,
    queue: "ingest",
    // whatever a peer calls what it wants, its requests are one sender's
    sharedBy: (subject) => subject.slice(0, subject.lastIndexOf(".")),
    mayAnswer: context.mayAnswer,
    handler: (request) => handle(context, request).pipe(Effect.map((answer) => encoder.encode(JSON.stringify(answer))))
  })

const encoder = new TextEncoder()

const handle = (context: IngestContext, request: Request): Effect.Effect<object> => {
  const at = parseIngest(request.subject)
  if (Result.isFailure(at)) return Effect.succeed(wrap(context, "", { verdict: "invalid", event_id: "", why: at.failure }))
  const { peer, tenant, what } = at.success
  switch (what) {
    case "commit":
      return ingestCommit(context, tenant, peer, request.data).pipe(
        timed("maestra_ingest_duration_seconds", {}),
        Effect.tap((answer) => context.answered(peer, answer)),
        Effect.map((answer) => wrap(context, tenant, answer)))
    case "head":
      return answerHead(context, tenant, peer, request.data)
    case "telemetry":
      return ingestTelemetry(context, tenant, peer, request.data).pipe(Effect.map((answer) => answer.verdict === "stored" ? { ...answer, ...named(context, tenant) } : wrap(context, tenant, answer)))
    default:
      return Effect.succeed(wrap(context, tenant, { verdict: "invalid", event_id: "", why: `nothing is served on …${what}` }))
  }
}

const named = (context: IngestContext, tenant: string) => {
  const { epoch, id } = context.identity(tenant)
  return { log_id: id, log_epoch: epoch }
}

const wrap = (context: IngestContext, tenant: string, answer: Answer): Verdict => ({ ...answer, ...named(context, tenant) }) as Verdict

/** Refusals somebody should know of; the others are how things go. */
const audited: ReadonlySet<Answer["verdict"]> = new Set(["revoked", "unknown_peer", "bad_signature", "invalid"])

/** Judge one framed commit and bring it into the log. Answers only what is durable. */
export const ingestCommit = (
  context: Pick<IngestContext, "facts" | "refresh" | "heads" | "committer" | "offered" | "committed" | "refused">,
  tenant: string,
  sender: string,
  data: Uint8Array
): Effect.Effect<Answer> =>
  Effect.tap(judgeCommit(context, tenant, sender, data), ({ verdict }) =>
    verdict !== "committed" && audited.has(verdict) ? context.refused(tenant, sender, verdict) : Effect.void)

const judgeCommit = Effect.fnUntraced(function*(
  context: Pick<IngestContext, "facts" | "refresh" | "heads" | "committer" | "offered" | "committed">,
  tenant: string,
  sender: string,
  data: Uint8Array
): Effect.fn.Return<Answer> {
  const now = isoTime(yield* Clock.currentTimeMillis)
  let facts = context.facts(tenant, sender, now)
  const heard = admitSender(facts)
  if (Result.isFailure(heard)) return heard.failure
  const framed = unframe(data)
  if (Result.isFailure(framed)) return { verdict: "invalid", event_id: "", why: framed.failure.why }
  const parsed = parseCommit(framed.success.record)
  if (Result.isFailure(parsed)) return { verdict: "invalid", event_id: "", why: parsed.failure.why }
  const { events } = framed.success
  let admitted = admit(parsed.success, events, facts!)
  if (Result.isFailure(admitted) && admitted.failure.verdict === "bad_signature") {
    yield* context.refresh(tenant)
    facts = context.facts(tenant, sender, now)
    admitted = admit(parsed.success, events, facts!)
  }
  if (Result.isFailure(admitted)) return admitted.failure
  const { amount, kind } = costOf(events)
  const drawn = yield* facts!.draw(kind, amount)
  if (!drawn.granted) return { verdict: "rate_limited", retry_after_ms: drawn.retryAfterMillis }
  const author = admitAuthor(parsed.success.record.author, facts!)
  return yield* extend(context, tenant, parsed.success, admitted.success, Result.isSuccess(author) ? author.success.keys : [])
})

/** A stream's leader died with the commit: it goes to the next one. */
const againMax = 2

/** Continue the author's chain with a judged commit: fenced, atomic, once. */
export const extend = Effect.fnUntraced(function*(
  context: Pick<IngestContext, "heads" | "committer" | "offered" | "committed">,
  tenant: string,
  parsed: ParsedCommit,
  admitted: Admitted,
  keys: ReadonlyArray<AuthorKey>,
  again = againMax
): Effect.fn.Return<Answer> {
  const { heads } = context
  const { author } = parsed.record
  const known = heads.peek(tenant, author)
  let place: Place
  let decision = known === undefined ? undefined : follow(parsed.record, known.head)
  if (known !== undefined && decision?._tag === "append") place = known
  else {
    // What we remember may be old: another process may have moved the chain. Ask the stream's leader.
    const read = yield* Effect.result(heads.read(tenant, author, keys))
    if (Result.isFailure(read)) return { verdict: "busy" }
    place = read.success
    decision = follow(parsed.record, place.head)
  }
  if (decision._tag === "repeated") return { verdict: "committed", log_seq: decision.log_seq }
  if (decision._tag === "mismatch") return mismatch(place)

  const messages = [
    ...admitted.events.map(({ bytes, expectedLast, subject }) => ({ subject, data: bytes, ...(expectedLast === undefined ? {} : { expectedLast }) })),
    { subject: subjects.logCommit(tenant, author), data: parsed.bytes, expectedLast: place.fence }
  ]
  context.offered(admitted)
  const outcome = yield* context.committer.commit({
    chain: `${tenant}.${author}`,
    messages,
    bytes: messages.reduce((sum, { data }) => sum + data.length, 0)
  }).pipe(traced("maestra.ingest", () => admitted.events.flatMap(({ opened }) => opened === undefined ? [] : [opened.envelope])))
  switch (outcome._tag) {
    case "committed": {
      heads.moved(tenant, author, { head: headOf(parsed.record, parsed.digest, outcome.last, parsed.bytes), fence: outcome.last })
      yield* context.committed(tenant, admitted, outcome.last)
      yield* noted("committed", () => admitted.events.flatMap(({ opened }) => opened === undefined ? [] : [opened.envelope.id]))
      return { verdict: "committed", log_seq: outcome.last }
    }
    case "fenced":
    case "unknown": {
      // Fenced: another process took this chain on. Unknown: the server did not say. The head tells both.
      const read = yield* Effect.result(heads.read(tenant, author, keys).pipe(Effect.retry(headRetries)))
      if (Result.isFailure(read)) return { verdict: "busy" }
      const head = read.success.head
      if (head?.digest === parsed.digest) {
        yield* context.committed(tenant, admitted, head.seq)
        return { verdict: "committed", log_seq: head.seq }
      }
      const now = follow(parsed.record, head)
      if (now._tag === "repeated") return { verdict: "committed", log_seq: now.log_seq }
      if (now._tag !== "append") return mismatch(read.success)
      // it never got there, and whoever leads the stream now is there: the fence sees to the one that may still be on its way
      return again === 0 ? { verdict: "busy" } : yield* extend(context, tenant, parsed, admitted, keys, again - 1)
    }
    case "full":
    case "busy":
      return { verdict: "busy" }
    case "refused":
      return { verdict: "invalid", event_id: "", why: outcome.why }
  }
})

const decoder = new TextDecoder()
const mismatch = ({ head }: Place): Refusal => ({ verdict: "chain_mismatch", head: head === undefined ? null : decoder.decode(head.bytes) })

const readHeadRequest = Schema.decodeUnknownResult(Schema.fromJsonString(HeadRequest))

const answerHead = Effect.fnUntraced(function*(context: IngestContext, tenant: string, sender: string, data: Uint8Array): Effect.fn.Return<object> {
  const now = isoTime(yield* Clock.currentTimeMillis)
  const facts = context.facts(tenant, sender, now)
  const heard = admitSender(facts)
  if (Result.isFailure(heard)) return wrap(context, tenant, heard.failure)
  const request = readHeadRequest(decoder.decode(data))
  if (Result.isFailure(request)) return wrap(context, tenant, { verdict: "invalid", event_id: "", why: request.failure.message })
  const place = yield* Effect.result(context.heads.read(tenant, sender, heard.success.keys).pipe(Effect.timeout(Duration.seconds(5))))
  if (Result.isFailure(place)) return wrap(context, tenant, { verdict: "busy" })
  const { head } = place.success
  const { log_epoch, mirror, mirror_seq } = request.success
  // a mirror that asks to be compared, or is of another epoch, may lack what lies before its end
  yield* context.ensureConsumer(tenant, sender, mirror === undefined && log_epoch === context.identity(tenant).epoch ? mirror_seq : 0)
  const held = mirror === undefined ? undefined : yield* context.countThrough(tenant, mirror.last_seq)
  const { mirrorAgain, positions, tenantLastSeq } = yield* context.reported(tenant, sender, request.success, head, now)
  const { epoch, id } = context.identity(tenant)
  const issuer = context.leafIssuer()
  return {
    verdict: "head",
    log_id: id,
    log_epoch: epoch,
    // the tables of a process that just started may be behind the log
    tenant_last_seq: Math.max(tenantLastSeq, head?.seq ?? 0),
    head: head === undefined ? null : decoder.decode(head.bytes),
    head_seq: head?.seq ?? 0,
    time: isoTime(yield* Clock.currentTimeMillis),
    // more than the log is fine: it was purged, and the mirror will be
    ...(mirror === undefined || held === undefined ? {} : { mirror_whole: mirror.messages >= held }),
    ...(mirrorAgain ? { mirror_again: true } : {}),
    ...(issuer === undefined ? {} : { leaf_issuer: issuer }),
    positions
  }
})
