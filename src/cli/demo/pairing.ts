import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Enrolled, Paired } from "../answers.ts"
import { ask } from "../call.ts"
import { note } from "../print.ts"
import type { Child } from "./child.ts"
import { keepTenant, type Place } from "./place.ts"

/** Whose devices they are. */
const user = "demo"

const State = Schema.Struct({ state: Schema.String })

/** Pair every device that is not paired yet; which tenant they share. */
export const pairAll = Effect.fnUntraced(function*(place: Place, children: ReadonlyArray<Child>) {
  const hosted = children.find(({ name }) => name === "hosted")
  let tenant = place.tenant
  for (const child of children) {
    if (child === hosted || hosted === undefined) continue
    const { value } = yield* ask(child.backend, State, { method: "GET", path: "/status" })
    if (tenant !== null && value.state !== "not_paired") continue
    const enrolled = (yield* ask(hosted.backend, Enrolled, { method: "POST", path: "/enroll", body: { user } })).value
    tenant = enrolled.tenant
    yield* keepTenant(place, tenant)
    if (value.state === "not_paired") {
      yield* ask(child.backend, Paired, { method: "POST", path: "/pair", body: { code: enrolled.code } })
      yield* note(`${child.name} is paired`)
    }
  }
  return tenant ?? ""
})
