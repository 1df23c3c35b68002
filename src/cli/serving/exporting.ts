import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Side } from "../settings.ts"

/** To an OTLP collector where `OTEL_EXPORTER_OTLP_ENDPOINT` names one; nothing otherwise, and nothing is loaded for it. */
export const exporting = (side: Side) =>
  Layer.unwrap(Effect.gen(function*() {
    const endpoint = yield* Config.option(Config.NonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT"))
    if (Option.isNone(endpoint)) return Layer.empty
    const { otlp } = yield* Effect.promise(() => import("./otlp.ts"))
    return Layer.effectDiscard(Effect.void).pipe(Layer.provideMerge(otlp(endpoint.value, `maestra-${side}`)))
  }).pipe(Effect.orDie))
