import { Effect } from "effect"
import type { Tier } from "../../../../streams/Backend.ts"
import { checkId } from "../../checks.ts"
import { readWait } from "../../conditions.ts"
import type { Common } from "../../writes/means.ts"
import { checked } from "../body.ts"
import { Caller } from "../caller.ts"
import { idOf } from "../paths.ts"
import type { Problem } from "../problems.ts"

/** Surface of a write that names none. */
const surfaceDefault = "api"

interface Asked {
  readonly conversation: string
  readonly surface: string | undefined
  readonly query: { readonly wait?: Tier; readonly timeout_ms?: number }
  readonly ifMatch?: string | undefined
}

/** What the caller, the path, the query and the headers say about a write. */
export const common = (asked: Asked): Effect.Effect<Common, Problem, Caller> =>
  Effect.gen(function*() {
    const { tenant } = yield* Caller
    return {
      tenant,
      conversation: yield* checked("conversation_id", asked.conversation, checkId),
      surface: asked.surface ?? surfaceDefault,
      ifMatch: asked.ifMatch,
      wait: yield* readWait(asked.query)
    }
  })

/** The message id of a path segment. */
export const messageId = (segment: string) => checked("message_id", idOf(segment), checkId)
