import { Effect, Option, Schedule, Schema, Stream } from "effect"
import type { Wired } from "./connect.ts"
import { logEnd, linesSince } from "./serverLog.ts"

const Disconnected = Schema.fromJsonString(Schema.Struct({ client: Schema.Struct({ kind: Schema.optionalKey(Schema.String), user: Schema.optionalKey(Schema.String) }), reason: Schema.String }))
const decode = Schema.decodeUnknownOption(Disconnected)

/** What the hub calls the end of a leaf that published where it may not; one that speaks no leaf protocol ends so too. */
const thrownOut = "Protocol Violation"

/**
 * Leafs the hub threw out for publishing where they may not, by their nkeys; from any server of a hub. A subscription they
 * may not make tells nobody: the server does not make it, and says nothing.
 */
export const leafViolations = (system: Pick<Wired, "nats">): Stream.Stream<string> =>
  Stream.suspend(() => Stream.fromAsyncIterable(system.nats.subscribe("$SYS.ACCOUNT.*.DISCONNECT"), (cause) => cause)).pipe(
    Stream.flatMap((message) => Stream.fromIterable(Option.toArray(decode(message.string())))),
    Stream.filter(({ client, reason }) => client.kind === "Leafnode" && reason === thrownOut && client.user !== undefined),
    Stream.map(({ client }) => client.user!),
    Stream.orDie)

/** Of the server's log, 64 KiB at most are read at a time: who floods is counted for what fits. */
const lookEvery = "1 second"
const line = /nkey:(U[A-Z2-7]{55})" - (?:Publish|Subscription) Violation - /

/** Tools (ordinary connections keep up after a violation) that published or subscribed where they may not: the server tells its log, and nobody else. */
export const clientViolations = (logFile: string): Stream.Stream<string> =>
  Stream.suspend(() => {
    let from = logEnd(logFile)
    return Stream.fromEffectSchedule(Effect.sync(() => {
      const lines = linesSince(logFile, from)
      from = logEnd(logFile)
      return lines
    }), Schedule.spaced(lookEvery)).pipe(Stream.flattenIterable)
  }).pipe(
    Stream.map((text) => line.exec(text)?.[1]),
    Stream.filter((nkey) => nkey !== undefined))
