import * as Layer from "effect/Layer"
import { FetchHttpClient, HttpClient, HttpMiddleware } from "effect/http"
import { Otlp } from "effect/observability"
import { Tracing } from "../../../streams/tracing.ts"

/** A collector that is away holds the end of a process up no longer. */
const shutdownTimeout = "2 seconds"
/** Soon enough to look at, seldom enough to cost nothing. */
const exportInterval = "2 seconds"

/** The library's own spans hold addresses and headers, and those may hold secrets: ours say less. */
const quiet = Layer.merge(Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true), Layer.succeed(HttpClient.TracerDisabledWhen, () => true))

/** Spans, metrics and log lines as OTLP over HTTP in JSON. */
export const otlp = (baseUrl: string, serviceName: string) =>
  Layer.mergeAll(
    Layer.succeed(Tracing, true),
    quiet,
    Otlp.layerJson({ baseUrl, resource: { serviceName }, loggerMergeWithExisting: true, shutdownTimeout, tracerExportInterval: exportInterval }).pipe(
      Layer.provide(FetchHttpClient.layer),
      Layer.provide(quiet))
  )
