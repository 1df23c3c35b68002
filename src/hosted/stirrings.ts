import { Duration, Schedule, Stream } from "effect"
import type { Stirring } from "../../streams/Observing.ts"
import type { Base } from "./Base.ts"

const askAgainEvery = Duration.seconds(1)

/** What moves on this deployment without a table, whichever process moved it. */
export const hostedStirrings = ({ alerting, peersMoved }: Pick<Base, "alerting" | "peersMoved">): Stream.Stream<Stirring> => {
  const alerts = alerting.store.watch.pipe(
    Stream.filter(({ _tag }) => _tag === "change"),
    Stream.map((): Stirring => "alerts"),
    // the hub is away: it comes back, and the state then is told first
    Stream.retry(Schedule.spaced(askAgainEvery)),
    Stream.orDie)
  return Stream.merge(alerts, Stream.map(Stream.fromPubSub(peersMoved), (): Stirring => "peers"))
}
