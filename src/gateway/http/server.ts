import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Duration, Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import { createServer } from "node:http"
import { AdminTokens, EndedSessions } from "../../../streams/Access.ts"
import { Audit } from "../../../streams/Audit.ts"
import { version } from "../../../streams/version.ts"
import { Reads } from "../Reads.ts"
import { Recording } from "../Recording.ts"
import { makeConnections } from "../websocket/connections.ts"
import { accessLayer, type Trust } from "./access.ts"
import { HostedApi, LocalApi } from "./api.ts"
import { Closing } from "./Closing.ts"
import { guard, type GuardPolicy, loopbackHosts } from "./guard.ts"
import { advisorHandlers, advisorKeyHandlers } from "./handlers/advisor.ts"
import { companionHandlers } from "./handlers/companions.ts"
import { conversationHandlers } from "./handlers/conversations.ts"
import { hostedHandlers } from "./handlers/hosted.ts"
import { localHandlers } from "./handlers/local.ts"
import { logHandlers } from "./handlers/log.ts"
import { messageHandlers } from "./handlers/messages.ts"
import { observingHandlers } from "./handlers/observing.ts"
import { hostedOperations, localOperations } from "./handlers/operations.ts"
import { operatorSessionHandlers } from "./handlers/operatorSessions.ts"
import { privacyHandlers } from "./handlers/privacy.ts"
import { scrapingHandlers } from "./handlers/scraping.ts"
import { syncHandlers } from "./handlers/sync.ts"
import { systemHandlers } from "./handlers/system.ts"
import { telemetryHandlers } from "./handlers/telemetry.ts"
import { type CertificateFiles, tlsFront } from "./tlsFront.ts"
import { telemetryStreamHandlers } from "./handlers/telemetryStream.ts"
import { tokenHandlers } from "./handlers/tokens.ts"
import { hostedTools, localTools } from "./handlers/tools.ts"
import { webApp } from "./webApp.ts"

/** Requests under way when the server stops may finish for this long. Event streams end at once. */
const shutdownMax = Duration.seconds(5)
/** An id of 512 bytes, percent-encoded, is at most this long; what is longer is refused by its handler. */
const pathParamMaxLength = 4096
/** A request's headers must arrive within this, its body within the second: slow senders hold no socket for ever. */
const headersTimeoutMillis = 20_000
const requestTimeoutMillis = 120_000

export interface LocalServerOptions {
  /** `0` takes a free one; `HttpServer` of the layer says which. */
  readonly port: number
  /** The local token: whoever has it is the person at this machine. */
  readonly token: string
  /** Web pages that may call, as in `Origin`: `https://app.example.org`. */
  readonly allowedOrigins?: ReadonlyArray<string>
}

export interface HostedServerOptions {
  readonly port: number
  /** Address to listen on. The default is loopback, behind a proxy that speaks TLS. */
  readonly host?: string
  /** Speak TLS at `host` and this port; `port` is then plain, and for this machine's own programs. */
  readonly tls?: CertificateFiles & { readonly port: number }
  /** The token of the operator at this machine; others have tokens of their own. */
  readonly adminToken: string
  readonly allowedOrigins?: ReadonlyArray<string>
}

/** The gateway of a local backend, on loopback only. Built, it serves; its scope is its life. */
export const serveLocal = (options: LocalServerOptions) => Layer.unwrap(Effect.map(EndedSessions, (ended) => {
  const trust: Trust = { side: "local", secret: Redacted.make(options.token), holder: () => undefined, ended }
  const routes = Layer.mergeAll(HttpApiBuilder.layer(LocalApi, { openapiPath: "/openapi.json" }), HttpApiScalar.layer(LocalApi, { path: "/docs" })).pipe(
    Layer.provide([...sharedHandlers, localOperations, localTools, localHandlers, companionHandlers, advisorHandlers, advisorKeyHandlers] as const)
  )
  return serve(routes, trust, (port) => ({ hosts: loopbackHosts(port), origins: [...loopbackHosts(port).map((host) => `http://${host}`), ...options.allowedOrigins ?? []] }), {
    port: options.port,
    host: "127.0.0.1"
  })
}))

/** The gateway of a hosted backend. Built, it serves; its scope is its life. */
export const serveHosted = (options: HostedServerOptions) => Layer.unwrap(Effect.map(AdminTokens, ({ holder }) => {
  const trust: Trust = { side: "hosted", secret: Redacted.make(options.adminToken), holder, ended: { has: () => false, end: () => Effect.void } }
  const routes = Layer.mergeAll(HttpApiBuilder.layer(HostedApi, { openapiPath: "/openapi.json" }), HttpApiScalar.layer(HostedApi, { path: "/docs" })).pipe(
    Layer.provide([...sharedHandlers, hostedOperations, hostedTools, hostedHandlers, tokenHandlers, operatorSessionHandlers] as const)
  )
  return serve(routes, trust, () => ({ hosts: null, origins: options.allowedOrigins ?? [] }), {
    port: options.port,
    host: options.tls === undefined ? options.host ?? "127.0.0.1" : "127.0.0.1",
    ...(options.tls === undefined ? {} : { tls: { ...options.tls, host: options.host ?? "127.0.0.1" } })
  })
}))

const sharedHandlers = [systemHandlers(version), conversationHandlers, messageHandlers, logHandlers, syncHandlers, telemetryHandlers, telemetryStreamHandlers, observingHandlers, scrapingHandlers, privacyHandlers] as const

const serve = <E, R>(
  routes: Layer.Layer<never, E, R>,
  trust: Trust,
  policy: (port: number) => GuardPolicy,
  { tls, ...listen }: { readonly port: number; readonly host: string; readonly tls?: CertificateFiles & { readonly host: string; readonly port: number } }
) => {
  const server = createServer({ headersTimeout: headersTimeoutMillis, requestTimeout: requestTimeoutMillis })
  const guarded = Layer.unwrap(Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    return guard(policy("port" in address ? address.port : listen.port), yield* Closing, yield* Audit)
  }))
  const app = Layer.mergeAll(routes, webApp, guarded).pipe(Layer.provide(accessLayer(trust)))
  const serving = HttpRouter.serve(app, {
    disableLogger: true,
    disableListenLog: true,
    routerConfig: { maxParamLength: pathParamMaxLength }
  })
  // released first: streams without an end are told to end before the server begins to wait for them
  const connections = makeConnections()
  const ending = Layer.effectDiscard(Effect.flatMap(Closing, ({ begin }) => Effect.addFinalizer(() => begin)))
  const front = tls === undefined ? Layer.empty : Layer.effectDiscard(tlsFront(server, tls, tls))
  return Layer.mergeAll(ending, front, Layer.effectDiscard(Effect.forkScoped(connections.run))).pipe(
    Layer.provide(serving),
    Layer.provideMerge(NodeHttpServer.layer(
      () => server,
      { ...listen, gracefulShutdownTimeout: shutdownMax, websocket: connections.options }
    )),
    Layer.provide(Closing.layer),
    Layer.provide(Recording.layer),
    Layer.provide(Reads.layer)
  )
}
