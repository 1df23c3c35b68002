import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { misused } from "../failure.ts"

/** Web pages of other origins that may call a backend. */
export const allowedOriginFlag = Flag.String("allowed-origin").pipe(
  Flag.withDescription("A web origin whose pages may talk to this backend; may be given several times (MAESTRA_ALLOWED_ORIGINS, with commas)"),
  Flag.atLeast(0)
)

/** The origins of the flags, else of the environment, as browsers write them: scheme, name, port, nothing else. */
export const allowedOrigins = Effect.fnUntraced(function*(flags: ReadonlyArray<string>) {
  const set = yield* Config.String("MAESTRA_ALLOWED_ORIGINS").pipe(Config.withDefault(""))
  const given = flags.length > 0 ? flags : set.split(",").map((origin) => origin.trim()).filter((origin) => origin !== "")
  const wrong = given.find((origin) => originOf(origin) !== origin)
  if (wrong !== undefined) {
    return yield* misused("allowed-origin", `${wrong} is not an origin as browsers write it`, "Give scheme, name and port alone, like https://app.example.org or chrome-extension://ID.")
  }
  return given
})

/** URL's own `origin` is "null" for schemes it does not know, such as extensions'. */
const originOf = (text: string): string | undefined => {
  const url = URL.parse(text)
  return url === null || url.host === "" ? undefined : `${url.protocol}//${url.host}`
}
