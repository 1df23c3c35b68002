import { Schema } from "effect"

/** Another program listens where our nats-server should. Nothing was changed; free the port or choose another. */
export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", { address: Schema.String, hint: Schema.String }) {}

/** The data directory is in use by another running backend or nats-server. Nothing was changed; stop that one first. */
export class StoreTaken extends Schema.TaggedError<StoreTaken>()("StoreTaken", {
  directory: Schema.String,
  /** The process that has it, where we could find out. */
  pid: Schema.optionalKey(Schema.Int),
  hint: Schema.String
}) {}

/** nats-server did not start, or did not take a new configuration. What it had stored is as it was. */
export class ServerFailed extends Schema.TaggedError<ServerFailed>()("ServerFailed", {
  hint: Schema.String,
  /** The end of its log, oldest first, at most 50 lines. */
  lastLines: Schema.Array(Schema.String)
}) {}

/** What a server that exited before it was ready said, made into one of our errors. Pure. */
export const explainExit = (lines: ReadonlyArray<string>, logFile: string): PortTaken | ServerFailed => {
  const said = (pattern: RegExp) => lines.map((line) => pattern.exec(line)).find((match) => match !== null)
  const taken = said(/([^\s"]+:\d+)[^\s]*: bind: address already in use/) ?? said(/([^\s"]+:\d+).*address already in use/)
  if (taken !== undefined) {
    const address = taken[1] ?? "?"
    return new PortTaken({ address, hint: `Another program listens on ${address}. Stop it, or choose another port (0 picks a free one).` })
  }
  const reason = said(/permission denied|no space left on device|[Pp]arse error|unknown field|is not valid|\[FTL\] (.*)$/) ?? said(/\[ERR\] (.*)$/)
  const line = (reason?.input ?? lines.at(-1) ?? "it wrote nothing").replace(/^\[\d+\] \S+ \S+ /, "")
  return new ServerFailed({ hint: `nats-server ended before it was ready: ${line} (its log: ${logFile})`, lastLines: lines.slice(-lastLinesMax) })
}

/** Lines of the server's log that errors carry. */
export const lastLinesMax = 50
