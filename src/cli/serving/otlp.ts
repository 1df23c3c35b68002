import { layer as nodeSdk } from "@effect/opentelemetry/NodeSdk"
import { diag, DiagLogLevel } from "@opentelemetry/api"
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { BatchLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HttpClient, HttpMiddleware } from "effect/http"
import { Tracing } from "../../../streams/tracing.ts"

/** A collector that is away holds the end of a process up no longer. */
const shutdownTimeout = "2 seconds"
/** Soon enough to look at, seldom enough to cost nothing. */
const exportEveryMs = 2000
/** One request to the collector; an exporter waits for one at a time. */
const requestMaxMs = 2000
/** A collector that is away is told of once in this time. */
const tellEveryMs = 60_000

/** The library's own spans hold addresses and headers, and those may hold secrets: ours say less. */
const quiet = Layer.merge(Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true), Layer.succeed(HttpClient.TracerDisabledWhen, () => true))

/** What the SDK cannot deliver it says nowhere: here it comes into the log, without what the collector answered. */
const failuresTold = Layer.effectDiscard(Effect.gen(function*() {
  const context = yield* Effect.context<never>()
  const clock = yield* Clock.Clock
  let toldAt = Number.NEGATIVE_INFINITY
  const tell = () => {
    const now = clock.currentTimeMillisUnsafe()
    if (now - toldAt < tellEveryMs) return
    toldAt = now
    Effect.runForkWith(context)(Effect.logWarning("the OTLP collector does not take what is sent; it is tried again, and what does not fit meanwhile is dropped"))
  }
  const silent = () => undefined
  yield* Effect.acquireRelease(
    Effect.sync(() => diag.setLogger({ error: tell, warn: silent, info: silent, debug: silent, verbose: silent }, { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true })),
    () => Effect.sync(() => diag.disable()))
}))

/**
 * Spans, metrics and log lines as OTLP over HTTP, by the OpenTelemetry SDK. `endpoint` is the collector's address without
 * a path; headers, compression and the rest are the SDK's own `OTEL_EXPORTER_OTLP_…` variables.
 */
export const otlp = (endpoint: string, serviceName: string) => {
  const to = (signal: string) => ({ url: `${endpoint.replace(/\/+$/, "")}/v1/${signal}`, timeoutMillis: requestMaxMs })
  return Layer.mergeAll(
    Layer.succeed(Tracing, true),
    quiet,
    failuresTold,
    nodeSdk(() => ({
      resource: { serviceName },
      spanProcessor: new BatchSpanProcessor(new OTLPTraceExporter(to("traces")), { scheduledDelayMillis: exportEveryMs }),
      metricReader: new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(to("metrics")), exportIntervalMillis: exportEveryMs, exportTimeoutMillis: requestMaxMs }),
      logRecordProcessor: new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(to("logs")), scheduledDelayMillis: exportEveryMs }),
      loggerMergeWithExisting: true,
      shutdownTimeout
    })))
}
