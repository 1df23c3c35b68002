import * as Command from "effect/cli/Command"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { resolve } from "node:path"
import { defaultLimits } from "../../../hosted/RateBudget.ts"
import { pairingMinutesMax, sessionHoursMax } from "../../../../streams/limits.ts"
import { commandPrefix } from "../../prefix.ts"
import { allowedOriginFlag, allowedOrigins } from "../../serving/allowedOrigins.ts"
import { alertFlags, alertSettings } from "../../serving/alertSettings.ts"
import { keptToken, prepareFolder, refuseSecond } from "../../serving/folder.ts"
import { hostedNetwork, hostedNetworkFlags, whereToLink } from "../../serving/network.ts"
import { freePort } from "../../serving/ports.ts"
import { showFirstToken } from "./tokens.ts"
import { logFlags, logging, logLine, serve } from "../../serving/serve.ts"
import { port, sideDir } from "../../settings.ts"
import { table } from "../../text.ts"

const flags = {
  ...logFlags,
  port: port("port", "MAESTRA_HOSTED_PORT", 8826, "HTTP port"),
  natsPort: port("nats-port", "MAESTRA_NATS_PORT", 4222, "Port of the hub's nats-server for hosted processes"),
  leafPort: port("leaf-port", "MAESTRA_LEAF_PORT", 7422, "Port where local backends connect their leaf nodes"),
  host: Flag.String("host").pipe(
    Flag.withDescription("Address the HTTP port listens on (MAESTRA_HOSTED_HOST, default 127.0.0.1, behind a proxy that speaks TLS)"),
    Flag.withFallbackConfig(Config.NonEmptyString("MAESTRA_HOSTED_HOST")),
    Flag.withDefault("127.0.0.1")
  ),
  publicUrl: Flag.String("public-url").pipe(
    Flag.withDescription("How others reach the HTTP port (MAESTRA_PUBLIC_URL, default http://127.0.0.1:PORT)"),
    Flag.withFallbackConfig(Config.NonEmptyString("MAESTRA_PUBLIC_URL")),
    Flag.filter((url) => URL.canParse(url), (url) => `Expected a URL, got ${url}`),
    Flag.optional
  ),
  leafUrl: Flag.String("leaf-url").pipe(
    Flag.withDescription("How local backends reach the leaf port; may be given several times (default tls://HOST:LEAF-PORT; wss://HOST with --leaf-ws-port behind a proxy; plain on this machine; with --cluster what its file says)"),
    Flag.atLeast(0)
  ),
  sessionHours: Flag.Finite("session-hours").pipe(
    Flag.filter((hours) => hours > 0 && hours <= sessionHoursMax, (hours) => `Expected more than 0 and at most ${sessionHoursMax}, got ${hours}`),
    Flag.withDescription("The longest session accepted (MAESTRA_SESSION_HOURS, default 8)"),
    Flag.withFallbackConfig(Config.Finite("MAESTRA_SESSION_HOURS")),
    Flag.withDefault(sessionHoursMax)
  ),
  pairingMinutes: Flag.Finite("pairing-minutes").pipe(
    Flag.filter((minutes) => minutes > 0 && minutes <= pairingMinutesMax, (minutes) => `Expected more than 0 and at most ${pairingMinutesMax}, got ${minutes}`),
    Flag.withDescription("How long a pairing code waits for its device (MAESTRA_PAIRING_MINUTES, default 10)"),
    Flag.withFallbackConfig(Config.Finite("MAESTRA_PAIRING_MINUTES")),
    Flag.withDefault(pairingMinutesMax)
  ),
  syncsPerMinute: Flag.Int("syncs-per-minute").pipe(
    Flag.filter((count) => count > 0, (count) => `Expected more than 0, got ${count}`),
    Flag.withDescription("Syncs one device may make in a minute (MAESTRA_RATE_SYNCS_PER_MINUTE, default 100); a backlog is counted in bytes instead"),
    Flag.withFallbackConfig(Config.Int("MAESTRA_RATE_SYNCS_PER_MINUTE")),
    Flag.withDefault(defaultLimits.syncsPerMinute)
  ),
  telemetryPerMinute: Flag.Int("telemetry-per-minute").pipe(
    Flag.filter((count) => count > 0, (count) => `Expected more than 0, got ${count}`),
    Flag.withDescription("Telemetry events one device may send in a minute (MAESTRA_RATE_TELEMETRY_PER_MINUTE, default 1000)"),
    Flag.withFallbackConfig(Config.Int("MAESTRA_RATE_TELEMETRY_PER_MINUTE")),
    Flag.withDefault(defaultLimits.telemetryPerMinute)
  ),
  ...hostedNetworkFlags,
  ...alertFlags,
  allowedOrigin: allowedOriginFlag,
  cluster: Flag.String("cluster").pipe(Flag.withDescription("File that describes an external JetStream cluster to use"), Flag.optional)
}

/** `hosted up`: the hosted backend, in the foreground. */
export const up = Command.make(
  "up",
  flags,
  Effect.fn(function*(flags) {
    const dir = yield* sideDir("hosted")
    yield* prepareFolder(dir)
    yield* refuseSecond("hosted", dir)
    const adminToken = yield* keptToken("hosted", dir)
    const httpPort = yield* freePort(flags.port, "--port")
    // one that joins a cluster runs no hub of its own
    const joins = Option.isSome(flags.cluster)
    const leafPort = joins ? flags.leafPort : yield* freePort(flags.leafPort, "--leaf-port")
    const natsPort = joins ? flags.natsPort : yield* freePort(flags.natsPort, "--nats-port")
    const secured = Option.isSome(flags.tlsCert)
    // with TLS at the port, this machine's own programs have one of their own
    const url = `http://127.0.0.1:${secured ? yield* freePort(0, "--port") : httpPort}`
    const publicUrl = Option.getOrElse(flags.publicUrl, () => secured ? `https://localhost:${httpPort}` : url)
    const network = yield* hostedNetwork({ ...flags, publicUrl })
    // its own pages, under the name they are served by and on this machine
    const origins = [...new Set([new URL(publicUrl).origin, url, `http://localhost:${httpPort}`, ...yield* allowedOrigins(flags.allowedOrigin)])]
    // what a cluster's servers are called from outside stands in its file, unless it is said here
    const leafUrls = flags.leafUrl.length > 0 || joins ? flags.leafUrl : [yield* whereToLink(publicUrl, leafPort, network)]
    const alerts = yield* alertSettings("hosted", publicUrl, flags)
    const layer = yield* Effect.promise(async () => {
      const { hostedBackend } = await import("../../../hosted/main.ts")
      // read while the backend waits for its nats-server
      const gateway = Effect.promise(() => import("../../../gateway/http/server.ts"))
      return (onBroken: (part: string) => Effect.Effect<void>) =>
        Layer.unwrap(Effect.map(gateway, ({ serveHosted }) => serveHosted({ port: Number(new URL(url).port), host: flags.host, adminToken, allowedOrigins: origins, ...(network.tls === undefined ? {} : { tls: { ...network.tls, port: httpPort } }) }))).pipe(Layer.provide([hostedBackend({
          dataDir: dir,
          alerts,
          publicUrl,
          natsPort,
          leafPort,
          network,
          leafUrls,
          sessionMax: Duration.hours(flags.sessionHours),
          pairingLife: Duration.minutes(flags.pairingMinutes),
          limits: { syncsPerMinute: flags.syncsPerMinute, telemetryPerMinute: flags.telemetryPerMinute },
          onProgress: logLine,
          onBroken,
          ...Option.match(flags.cluster, { onNone: () => ({}), onSome: (file) => ({ cluster: resolve(file) }) })
        }), Layer.effectDiscard(gateway)]))
    })
    const maestra = yield* commandPrefix
    yield* serve({ side: "hosted", dir, url, layer, screen: () => screen({ url, publicUrl, leafUrls, dir, maestra }), then: showFirstToken(dir) })
  }, (effect, flags) => Effect.provide(effect, logging(flags)))
).pipe(
  Command.withDescription("Run a hosted backend; Ctrl-C stops it"),
  Command.withExamples([{ command: "maestra hosted up --public-url https://sync.example.org", description: "Behind a proxy that speaks TLS" }])
)

const screen = (at: { readonly url: string; readonly publicUrl: string; readonly leafUrls: ReadonlyArray<string>; readonly dir: string; readonly maestra: string }): string =>
  [
    "the hosted backend is running",
    "",
    table([
      ["  here", at.url],
      ...(at.publicUrl === at.url ? [] : [["  for others", at.publicUrl]]),
      ...(at.leafUrls.length === 0 ? [] : [["  leaf nodes", at.leafUrls.join(", ")]]),
      ["  data", at.dir]
    ]),
    "",
    "next, in another terminal:",
    table([
      [`  ${at.maestra} hosted open`, "see it in a browser"],
      [`  ${at.maestra} hosted enroll USER`, "a one-time code for one more device of USER"],
      ["  npx maestra local pair CODE", "on that device"]
    ]),
    "",
    "Ctrl-C stops it; devices keep working and catch up when it is back."
  ].join("\n")
