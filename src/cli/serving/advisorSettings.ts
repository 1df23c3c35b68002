import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { misused } from "../failure.ts"
import { httpUrl } from "./httpUrl.ts"

/**
 * The model server of `POST /api/maestra/advisor/ask`, from the environment and nowhere else: `MAESTRA_ADVISOR_URL` (an
 * OpenAI-compatible base), `MAESTRA_ADVISOR_MODEL`, and `MAESTRA_ADVISOR_PRICE` (US dollars per million tokens in and out: `0.5,1.5`).
 */
export const advisorSettings = Effect.gen(function*() {
  const given = Option.filter(yield* Config.option(Config.String("MAESTRA_ADVISOR_URL")), (url) => url !== "")
  if (Option.isNone(given)) return {}
  const url = httpUrl(given.value)
  if (url === undefined) {
    return yield* misused("advisor-url", "MAESTRA_ADVISOR_URL is not an http or https URL without a user in it", "Set it to something like https://models.example.org/v1; the key belongs into the keychain: `maestra advisor key -`.")
  }
  const model = yield* Config.String("MAESTRA_ADVISOR_MODEL").pipe(Config.withDefault("default"))
  const price = yield* Config.option(Config.String("MAESTRA_ADVISOR_PRICE"))
  const figures = Option.getOrElse(price, () => "").split(",").map(Number)
  if (Option.isSome(price) && !(figures.length === 2 && figures.every((figure) => Number.isFinite(figure) && figure >= 0))) {
    return yield* misused("advisor-price", "MAESTRA_ADVISOR_PRICE is not two prices", "Set it to US dollars per million tokens in and out, like 0.5,1.5.")
  }
  return { advisor: { url, model, ...(Option.isSome(price) ? { price: { input: figures[0]!, output: figures[1]! } } : {}) } }
})
