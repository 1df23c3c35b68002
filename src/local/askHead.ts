import { Clock, Duration, Effect, Result, Schema, SubscriptionRef } from "effect"
import { subjects } from "../../streams/subjects.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import { HeadAnswer, Verdict } from "../../streams/Verdict.ts"
import type { LinkedContext } from "./LinkedContext.ts"
import { bump } from "./State.ts"

const headPatience = Duration.seconds(5)

const decodeHead = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Union([HeadAnswer, Verdict])))
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Ask how far the log is, saying how far we are. An answer that is no answer counts as none. */
export const askHead = Effect.fnUntraced(function*(context: LinkedContext) {
  const { peer_id, tenant, log_epoch } = context.paired()
  const mirror = yield* context.mirrorUnchecked
  const damaged = yield* context.damaged
  const asked = yield* Clock.currentTimeMillis
  const request = {
    ...(mirror === undefined ? {} : { mirror }),
    ...(damaged === 0 ? {} : { damaged }),
    log_epoch,
    mirror_seq: context.seen().log_seq,
    journal: context.journals.current(),
    journal_seq: context.journal.acknowledged(),
    time: isoTime(asked)
  }
  const bytes = yield* context.connection.request(subjects.ingest(tenant, peer_id, "head"), encoder.encode(JSON.stringify(request)), headPatience)
  const answer = decodeHead(decoder.decode(bytes))
  if (Result.isFailure(answer)) return undefined
  const { time } = answer.success.verdict === "head" ? answer.success : {}
  // what was on its way both times is not the clocks'
  if (time !== undefined) context.state.skewMillis = (asked + (yield* Clock.currentTimeMillis)) / 2 - millisOf(time)
  const issuer = answer.success.verdict === "head" ? answer.success.leaf_issuer : undefined
  if (issuer !== undefined && issuer !== context.paired().leaf_issuer) yield* bump(context.state.renewalWanted)
  // places of another epoch say nothing about ours
  if (answer.success.verdict === "head" && answer.success.log_epoch === log_epoch) {
    const positions = answer.success.positions ?? []
    yield* context.heardPositions(positions)
    yield* SubscriptionRef.set(context.state.heard, { at: yield* Clock.currentTimeMillis, tenantLastSeq: answer.success.tenant_last_seq, positions })
    if (answer.success.mirror_again === true) yield* bump(context.state.mirrorWanted)
    if (mirror !== undefined && answer.success.mirror_whole !== undefined) {
      yield* context.mirrorChecked(answer.success.mirror_whole, mirror.last_seq >= answer.success.tenant_last_seq)
    }
  }
  return answer.success
})
