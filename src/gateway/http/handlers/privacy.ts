import { Effect, Result, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { selfTenant } from "../../../../streams/Backend.ts"
import { defaults, type Settings } from "../../../../streams/events/settings.ts"
import { Reads } from "../../Reads.ts"
import { Recording } from "../../Recording.ts"
import { Api } from "../api.ts"
import { SettingsChange } from "../api/privacy.ts"
import { invalid, jsonOf } from "../body.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"

/** Surface of a change made over HTTP. */
const surface = "api"
const known: ReadonlySet<string> = new Set(Object.keys(defaults))
const readChange = Schema.decodeUnknownResult(SettingsChange)

/** What may leave this machine: shown, and changed. A change is in force when it is answered. */
export const privacyHandlers = HttpApiBuilder.group(Api, "privacy", Effect.fn(function*(handlers) {
  const reads = yield* Reads
  const recording = yield* Recording

  const settings = Effect.gen(function*() {
    yield* recording.settled(selfTenant)
    return yield* refused(reads.settings(selfTenant))
  })

  return handlers.handleAll({
    read: () => Effect.map(settings, (now) => json<Settings>(now.settings))
  }).handleRaw("change", ({ request }) =>
    Effect.gen(function*() {
      const body = yield* jsonOf(request)
      const stranger = Object.keys(body).find((field) => !known.has(field))
      if (stranger !== undefined) return yield* invalid(stranger, `There is no setting ${JSON.stringify(stranger.slice(0, 100))}.`, `The settings are ${[...known].join(", ")}.`)
      const change = readChange(body)
      if (Result.isFailure(change)) return yield* invalid("", "A setting does not have the right shape.", "See PrivacySettings in /openapi.json.")
      const { latest } = yield* settings
      // the base says which earlier changes this one knows of and replaces; of those it does not know the stricter wins
      const data = latest === undefined ? change.success : { ...change.success, base: latest }
      if (Object.keys(change.success).length > 0) yield* refused(recording.record(selfTenant, [{ fact: { type: "settings.changed", data }, subject: "settings", surface }]))
      return json<Settings>((yield* settings).settings)
    }))
}))
