import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { LocalControl } from "../../../../streams/Backend.ts"
import { type Check, checkId } from "../../checks.ts"
import { Api } from "../api.ts"
import { checked, invalid, jsonOf, required } from "../body.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"

/** Longer than any pairing code. */
const codeMaxLength = 4096
const checkCode: Check = (value) =>
  typeof value !== "string" || value === "" || value.length > codeMaxLength ? "is not a pairing code" : undefined

/** What the person at the machine tells the local backend. */
export const localHandlers = HttpApiBuilder.group(Api, "local", Effect.fn(function*(handlers) {
  const control = yield* LocalControl
  const said = (sentence: string) => json({ sentence })
  return handlers.handleAll({
    unpair: () => Effect.as(refused(control.unpair), said("Not paired any more. Everything written stays here.")),
    pause: () => Effect.as(control.pause, said("Paused: nothing leaves or arrives until you resume.")),
    resume: () => Effect.as(refused(control.resume), said("Going on: what waited is sent now.")),
    confirm: ({ params }) =>
      Effect.gen(function*() {
        const peer = yield* checked("peer_id", params.peer_id, checkId)
        yield* refused(control.confirm(peer))
        return said(`${peer} is confirmed.`)
      }),
    debug: () => Effect.map(control.debug, (facts) => json<object>(facts))
  }).handleRaw("pair", ({ request }) =>
    Effect.gen(function*() {
      const code = yield* required(yield* jsonOf(request), "code", checkCode)
      return json(yield* refused(control.pair(code.trim())))
    })).handleRaw("resync", ({ request }) =>
      Effect.gen(function*() {
        const { withheld = false } = yield* jsonOf(request)
        if (typeof withheld !== "boolean") return yield* invalid("withheld", "withheld is not true or false.", "Leave it out, or send true.")
        return json(yield* refused(control.resync({ withheld })))
      }))
}))
