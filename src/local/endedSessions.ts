import { Clock, Effect, Schema } from "effect"
import { join } from "node:path"
import { EndedSessions } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { Time } from "../../streams/ids.ts"
import { sessionHoursMax } from "../../streams/limits.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** The list of ended sessions cannot be read or written. Nothing is lost; a session that should have ended may go on until its time is over. */
export class EndedSessionsUnreadable extends Schema.TaggedError<EndedSessionsUnreadable>()("EndedSessionsUnreadable", { file: Schema.String, hint: Schema.String }) {}

/** Longer than any session can live. An ended one is renewed no more, so its name is of no use to anybody after this. Milliseconds. */
const keptMillis = (sessionHoursMax + 1) * 60 * 60 * 1000

/** A session's name, which opens nothing, and when it ended; `null`: all that there were. */
const List = Schema.fromJsonString(Schema.Array(Schema.Struct({ session: Schema.NullOr(Schema.String), at: Time })))

/** In `ended-sessions.json` of the data directory: what was locked stays locked after a restart. */
export const openEndedSessions = Effect.fn("openEndedSessions")(function*(dataDir: string): Effect.fn.Return<EndedSessions["Service"], EndedSessionsUnreadable> {
  const file = join(dataDir, "ended-sessions.json")
  const unreadable = () => new EndedSessionsUnreadable({ file, hint: `${file} is damaged or cannot be written. Remove it; to end every page's session at once remove local/token too, and start again.` })
  const text = yield* Effect.tryPromise({
    try: async () => (await readIfThere(file)) ?? "[]",
    catch: unreadable
  })
  let held = yield* Schema.decodeEffect(List)(text).pipe(Effect.mapError(unreadable))
  return {
    has: (session, issued) => held.some((ended) => ended.session === null ? issued <= millisOf(ended.at) : ended.session === session),
    end: (session) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        held = [...held.filter(({ at }) => now < millisOf(at) + keptMillis), { session: session ?? null, at: isoTime(now) }]
        return Effect.tryPromise({
          try: () => replaceFile(file, `${JSON.stringify(held)}\n`),
          catch: () => new CommandFailed({ status: 503, type: "try-again", hint: unreadable().hint })
        })
      })
  }
})
