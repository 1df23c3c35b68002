import { Context, Effect, Option, Stream } from "effect"
import { isoTime } from "../../../streams/time.ts"
import type { Reads } from "../Reads.ts"
import { archive, conversationsFolder, sumsFile } from "./archive.ts"

/** Whose archive, and of which backend. */
export interface About {
  readonly tenant: string
  readonly userId: string | null
  readonly backendId: string
  readonly side: "local" | "hosted"
}

/** Telemetry events read at once. */
const pageLimit = 500
const format = "maestra-export:1"

/** Everything this backend holds of a tenant, as one tar, in bounded memory. `now`: milliseconds since 1970. */
export const exportAll = (reads: Reads["Service"], about: About, now: number): AsyncIterable<Uint8Array> => {
  const { backendId, side, tenant, userId } = about
  const exported_at = isoTime(now)
  const telemetry = Stream.paginate<string | undefined, ReadonlyArray<unknown>, Failed, never>(undefined, (cursor) =>
    Effect.map(reads.telemetry({ tenant, limit: pageLimit, cursor }), ({ events, next_cursor }) => [[events], Option.fromNullOr(next_cursor)] as const))
  return archive(readme(side, exported_at), [
    { name: "about", rows: rowsOf(Stream.succeed([{ format, exported_at, side, backend_id: backendId, user_id: userId, tenant: side === "hosted" ? tenant : null }])) },
    { name: "settings", rows: rowsOf(Stream.fromEffect(Effect.map(reads.settings(tenant), ({ settings }) => [settings]))) },
    { name: "peers", rows: rowsOf(Stream.fromEffect(reads.peers(tenant))) },
    { name: conversationsFolder, rows: rowsOf(Stream.map(reads.exported(tenant), (one) => [one])) },
    { name: "history", rows: rowsOf(Stream.map(reads.writes(tenant), (one) => [one])) },
    { name: "telemetry", rows: rowsOf(telemetry) }
  ], now)
}

type Failed = Effect.Error<ReturnType<Reads["Service"]["telemetry"]>>

const rowsOf = <E>(rows: Stream.Stream<ReadonlyArray<unknown>, E>): AsyncIterable<ReadonlyArray<unknown>> => Stream.toAsyncIterableWith(rows, Context.empty())

const readme = (side: "local" | "hosted", at: string): string => `# Everything kept about one person

Exported at ${at} from a ${side} backend of Maestra Sync. Format: ${format}.
Text files in UTF-8. Every \`.jsonl\` holds one JSON object a line; the files of a folder follow one another.

| folder | a line is |
| --- | --- |
| about | what this archive is: format, time, side, ids |
| settings | what may leave, and how long hosted keeps it |
| peers | a device, its public keys, when it was seen |
| ${conversationsFolder} | a conversation as it is shown, in the format \`maestra import\` reads |
| history | one write, also those that were replaced or deleted: stamp, what it said, what others see where that differs (\`shared\`) |
| telemetry | one telemetry event |

\`${sumsFile}\` is the last file: \`sha256sum -c ${sumsFile}\` checks all others. Without it the archive is cut off.
\`maestra import FILE\` takes the conversations of this archive back.
${side === "local"
    ? "\nThis is what one machine holds, as it was written there, before anything was hidden. What the hosted side holds: `maestra privacy export` there.\n"
    : "\nThis is what the hosted side holds. Ids that could not leave a machine are called `h_…` here.\n"}`
