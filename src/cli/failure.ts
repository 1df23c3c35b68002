import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** What a command's exit code tells a script. 0 is success; a command stopped by a signal ends with 130. */
export const exitCodes = { failed: 1, usage: 2, not_reachable: 3, refused: 4 } as const

/**
 * A command did not do what was asked. `sentence` says what happened (also to the data), `hint` what to do now;
 * both are free of secrets. `type` is the stable name for scripts: a problem's `type`, or our own.
 */
export class CliFailure extends Schema.TaggedError<CliFailure>()("CliFailure", {
  kind: Schema.Literals(["failed", "usage", "not_reachable", "refused"]),
  type: Schema.String,
  sentence: Schema.String,
  hint: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = exitCodes[this.kind]
  override get message() {
    return this.sentence
  }
}

type Kind = CliFailure["kind"]

const failure = (kind: Kind) => (type: string, sentence: string, hint = "") => new CliFailure({ kind, type, sentence, hint })

/** It was tried and did not work. Exit 1. */
export const failed = failure("failed")
/** The command line makes no sense; nothing was tried. Exit 2. */
export const misused = failure("usage")
/** The backend, or one it needs, does not answer. Exit 3. */
export const notReachable = failure("not_reachable")
/** The backend understood and said no. Exit 4. */
export const refused = failure("refused")

/**
 * The kind of failure an HTTP status is. 412 and 409 are refusals (somebody else was first), 429 too;
 * 502 to 504 mean that whoever is behind could not be asked; everything else failed.
 */
export const kindOfStatus = (status: number): Kind =>
  [401, 403, 409, 410, 412, 429, 451].includes(status) ? "refused" : [502, 503, 504].includes(status) ? "not_reachable" : "failed"

/** One failure for a person on stderr, or one JSON line for a script. */
export const renderFailure = (failure: CliFailure, json: boolean): string =>
  json
    ? JSON.stringify({ error: { type: failure.type, kind: failure.kind, exit: exitCodes[failure.kind], sentence: failure.sentence, hint: failure.hint } })
    : `maestra: ${failure.sentence}${failure.hint === "" ? "" : `\n  ${failure.hint}`}`
