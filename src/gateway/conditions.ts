import { Effect } from "effect"
import type { Tier } from "../../streams/Backend.ts"
import { pageMax } from "../../streams/limits.ts"
import { invalid } from "./http/body.ts"
import { type Problem, problem } from "./http/problems.ts"
import { pageLimitDefault, waitMillisDefault, waitMillisMax } from "./http/wire.ts"

/** Does `If-Match` allow a write to a conversation at `version` (`undefined`: there is none)? */
export const matches = (ifMatch: string, version: number | undefined): boolean =>
  version !== undefined && ifMatch.split(",").some((tag) => tag.trim() === "*" || tag.trim().replaceAll("\"", "") === String(version))

/** Refuse a write whose author has seen another state than the present one. */
export const demandMatch = (ifMatch: string | undefined, version: number | undefined): Effect.Effect<void, Problem> =>
  ifMatch === undefined || matches(ifMatch, version)
    ? Effect.void
    : Effect.fail(problem(
      "version-mismatch",
      version === undefined ? "The conversation is not there." : `The conversation is at version ${version}.`,
      "Read the conversation again, decide again, and send its ETag as If-Match.",
      { field: "if-match", ...(version === undefined ? {} : { version }) }
    ))

/** How far to wait for, milliseconds; `undefined`: answer as soon as it is stored here. */
export interface Wait {
  readonly tier: Tier
  readonly millis: number
}

export const readWait = (query: { readonly wait?: Tier; readonly timeout_ms?: number }): Effect.Effect<Wait | undefined, Problem> => {
  const millis = query.timeout_ms ?? waitMillisDefault
  if (millis < 0 || millis > waitMillisMax) {
    return Effect.fail(invalid("timeout_ms", `timeout_ms is not between 0 and ${waitMillisMax}.`, "Ask again later for what is not there in time."))
  }
  return Effect.succeed(query.wait === undefined ? undefined : { tier: query.wait, millis })
}

export const readLimit = (limit: number | undefined): Effect.Effect<number, Problem> =>
  limit === undefined
    ? Effect.succeed(pageLimitDefault)
    : limit >= 1 && limit <= pageMax
    ? Effect.succeed(limit)
    : Effect.fail(invalid("limit", `limit is not between 1 and ${pageMax}.`, "Use the cursor to get more."))
