import * as Command from "effect/cli/Command"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Layer from "effect/Layer"
import { dirname, join } from "node:path"
import { journalMaxBytes, sessionHoursMax } from "../../../../streams/limits.ts"
import { commandPrefix } from "../../prefix.ts"
import { advisorSettings } from "../../serving/advisorSettings.ts"
import { allowedOriginFlag, allowedOrigins } from "../../serving/allowedOrigins.ts"
import { alertFlags, alertSettings } from "../../serving/alertSettings.ts"
import { keptToken, prepareFolder, refuseSecond } from "../../serving/folder.ts"
import { localNetworkFlags, trust } from "../../serving/network.ts"
import { freePort } from "../../serving/ports.ts"
import { logFlags, logging, logLine, serve } from "../../serving/serve.ts"
import { port, sideDir } from "../../settings.ts"
import { table } from "../../text.ts"

const bytesPerGib = 1024 ** 3
/** Several of the largest messages at least. */
const journalMinGib = 1 / 16

/** `local up`: the local backend, in the foreground. */
export const up = Command.make(
  "up",
  {
    ...logFlags,
    port: port("port", "MAESTRA_LOCAL_PORT", 8825, "HTTP port"),
    natsPort: port("nats-port", "MAESTRA_LOCAL_NATS_PORT", 0, "Port of the local nats-server"),
    journalGib: Flag.Finite("journal-gib").pipe(
      Flag.filter((gib) => gib >= journalMinGib, (gib) => `Expected at least ${journalMinGib}, got ${gib}`),
      Flag.withDescription("Room for what is written here, in GiB; full means refused (MAESTRA_JOURNAL_GIB, default 10)"),
      Flag.withFallbackConfig(Config.Finite("MAESTRA_JOURNAL_GIB")),
      Flag.withDefault(journalMaxBytes / bytesPerGib)
    ),
    sessionHours: Flag.Finite("session-hours").pipe(
      Flag.filter((hours) => hours > 0 && hours <= sessionHoursMax, (hours) => `Expected more than 0 and at most ${sessionHoursMax}, got ${hours}`),
      Flag.withDescription("How long a session with hosted lives before it is renewed (MAESTRA_SESSION_HOURS, default 8)"),
      Flag.withFallbackConfig(Config.Finite("MAESTRA_SESSION_HOURS")),
      Flag.withDefault(sessionHoursMax)
    ),
    ...localNetworkFlags,
    ...alertFlags,
    allowedOrigin: allowedOriginFlag
  },
  Effect.fn(function*(flags) {
    const dir = yield* sideDir("local")
    yield* prepareFolder(dir)
    yield* refuseSecond("local", dir)
    const token = yield* keptToken("local", dir)
    const httpPort = yield* freePort(flags.port, "--port")
    const url = `http://127.0.0.1:${httpPort}`
    const advisor = yield* advisorSettings
    const alerts = yield* alertSettings("local", url, flags)
    const caFile = yield* trust(flags.ca)
    const origins = yield* allowedOrigins(flags.allowedOrigin)
    const layer = yield* Effect.promise(async () => {
      const { localBackend } = await import("../../../local/main.ts")
      // read while the backend waits for its nats-server
      const gateway = Effect.promise(() => import("../../../gateway/http/server.ts"))
      return (onBroken: (part: string) => Effect.Effect<void>) =>
        Layer.unwrap(Effect.map(gateway, ({ serveLocal }) => serveLocal({ port: httpPort, token, allowedOrigins: origins }))).pipe(Layer.provide([
          localBackend({ ...advisor, alerts, dataDir: dir, auditFile: join(dirname(dir), "audit.log"), httpUrl: url, natsPort: flags.natsPort, journalMaxBytes: Math.round(flags.journalGib * bytesPerGib), plainAllowed: flags.insecurePlain, ...(caFile === undefined ? {} : { caFile }), sessionTtl: Duration.hours(flags.sessionHours), onProgress: logLine, onBroken }),
          Layer.effectDiscard(gateway)
        ]))
    })
    const maestra = yield* commandPrefix
    yield* serve({ side: "local", dir, url, layer, screen: () => screen(url, dir, maestra) })
  }, (effect, flags) => Effect.provide(effect, logging(flags)))
).pipe(
  Command.withDescription("Run the local backend; Ctrl-C stops it"),
  Command.withExamples([{ command: "maestra local up --port 0", description: "On any free port" }])
)

const screen = (url: string, dir: string, maestra: string): string =>
  [
    "the local backend is running",
    "",
    table([["  here", url], ["  data", dir]]),
    "",
    "next, in another terminal:",
    table([
      [`  ${maestra} send groceries "buy milk"`, "write something"],
      [`  ${maestra} local pair CODE`, "join a hosted backend, with a code of `maestra hosted enroll USER`"],
      [`  ${maestra} status`, "in step, sending, offline …"]
    ]),
    "",
    "Ctrl-C stops it; nothing that was acknowledged is lost."
  ].join("\n")
