import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { ExpiredAnswer } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { plural } from "../../text.ts"

/** Looking through a million conversations takes minutes. */
const timeoutMillis = 3_600_000

/** `hosted expire`: remove now what has been kept long enough; by itself it happens once a day. */
export const expire = Command.make(
  "expire",
  { tenant: Flag.String("tenant").pipe(Flag.withDescription("Only of this one, as in `maestra hosted peers`"), Flag.optional) },
  Effect.fn(function*({ tenant }: { readonly tenant: Option.Option<string> }) {
    const backend = { ...(yield* find("hosted")), tenant: Option.getOrUndefined(tenant) }
    const { raw, value } = yield* ask(backend, ExpiredAnswer, { method: "POST", path: "/expire", timeoutMillis })
    yield* answer(raw, () => value.conversations === 0 ? "nothing has been kept long enough" : `${plural(value.conversations, "conversation")} removed (${plural(value.events, "event")})`)
  })
).pipe(Command.withDescription("Remove conversations whose last change is older than their owner's retention_days"))
