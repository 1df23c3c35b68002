import { Duration, Effect, Result, Schema } from "effect"
import { subjects } from "../../streams/subjects.ts"
import { Verdict } from "../../streams/Verdict.ts"
import { type Connection, RequestTimedOut } from "../nats/Connection.ts"
import type { PairedWith } from "./Pairing.ts"
import { awaitRef, type State } from "./State.ts"

/**
 * A commit's bytes may go through a thin line; what comes on top is the hosted side's work, a second at most. A hosted
 * process that died with a request says nothing: the next one gets it after this, well within the five seconds in which
 * a dead process's work is taken over. Asking again too early costs a repeated answer and nothing else.
 */
const askAgainAfter = (bytes: number) => Duration.millis(2000 + bytes / 32)
/** Requests of one try, so long after one another; whichever is answered first counts, and after the last one's time nobody did. */
const requestsMax = 3

const decodeVerdict = Schema.decodeUnknownResult(Schema.fromJsonString(Verdict))
const decoder = new TextDecoder()

/**
 * Ask for one commit. An answer cannot come any more once the link is down: ask again as soon as it is back.
 *
 * @param mayAgain whether it may still leave: a person may have forbidden it since it left first, into a link that lost it
 */
export const askToCommit = (context: { readonly state: State; readonly connection: Connection; readonly paired: () => PairedWith }, commit: Uint8Array, mayAgain: () => boolean = () => true) => {
  const { peer_id, tenant } = context.paired()
  const subject = subjects.ingest(tenant, peer_id, "commit")
  const wait = askAgainAfter(commit.length)
  const request = (n: number) =>
    Effect.suspend(() => n === 0 || mayAgain() ? context.connection.request(subject, commit, Duration.times(wait, requestsMax - n)) : Effect.never)
  const requests = Array.from({ length: requestsMax }, (_, n) => Effect.delay(request(n), Duration.times(wait, n)))
  return Effect.raceFirst(
    Effect.raceAllFirst(requests),
    Effect.andThen(awaitRef(context.state.link, ({ up }) => !up), Effect.fail(new RequestTimedOut({ subject })))
  ).pipe(
    Effect.map((bytes) => {
      const verdict = decodeVerdict(decoder.decode(bytes))
      const { log_epoch, log_id } = context.paired()
      return Result.isSuccess(verdict) ? verdict.success : { verdict: "busy" as const, log_id, log_epoch }
    }))
}
