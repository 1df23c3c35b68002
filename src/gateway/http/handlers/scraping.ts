import { Context, Effect, Option } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { metricTable, registryOf } from "../../../../streams/metrics.ts"
import { Observing } from "../../../../streams/Observing.ts"
import { Doorkeeper } from "../access.ts"
import { Api } from "../api.ts"
import { problem } from "../problems.ts"

const contentType = "text/plain; version=0.0.4; charset=utf-8"

/** What is counted as it happens, and gauges as they are now. */
export const scrapingHandlers = HttpApiBuilder.group(Api, "scraping", Effect.fn(function*(handlers) {
  const observing = yield* Observing
  const door = yield* Doorkeeper
  return handlers.handleAll({
    metrics: () =>
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        if (!isFromHere(request)) {
          const asking = yield* door.identify(/^bearer (.*)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "")
          if (asking.kind === "device") return yield* problem("operator-only", "A session binding token reads no metrics.", "Send the admin token, or ask from this machine.")
        }
        const gauges = registryOf(yield* observing.gauges)
        const text = own(PrometheusMetrics.formatUnsafe(Context.empty())) + PrometheusMetrics.formatUnsafe(gauges)
        return HttpServerResponse.text(text, { contentType })
      })
  })
}))

/** The metrics of this program: others of the same process are no part of the contract. */
const own = (text: string): string =>
  text.split("\n").filter((line) => Object.hasOwn(metricTable, nameIn(line))).map((line) => `${line}\n`).join("")
const nameIn = (line: string): string => (/^(?:# (?:HELP|TYPE) )?(\w+)/.exec(line)?.[1] ?? "").replace(/_(bucket|sum|count)$/, "")

const forwarding = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"] as const
const loopbackName = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i
const loopbackAddress = /^(::ffff:)?127\.|^::1$/

/** Asked on this machine, without a proxy in between: a proxy's requests come from here whoever asks. A token that is given must hold. */
const isFromHere = (request: HttpServerRequest.HttpServerRequest): boolean =>
  request.headers["authorization"] === undefined &&
  loopbackAddress.test(Option.getOrElse(request.remoteAddress, () => "")) &&
  loopbackName.test(request.headers["host"] ?? "") &&
  forwarding.every((name) => request.headers[name] === undefined)
