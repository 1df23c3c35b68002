import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { secretSetting } from "../security/secretSetting.ts"
import { refusalOfUrl } from "../security/plainText.ts"
import { trust } from "./serving/network.ts"
import { type CliFailure, failed, misused, notReachable, refused } from "./failure.ts"
import { type Side, sideDir } from "./settings.ts"

/** A running backend: where it listens and what lets this user in. */
export interface Backend {
  readonly side: Side
  readonly url: string
  readonly token: Redacted.Redacted<string>
  /** Whose conversations, where the operator of hosted reads them. */
  readonly tenant: string | undefined
}

/** `runtime.json`, written by `up` while it runs, mode 0600. */
export const Runtime = Schema.Struct({ pid: Schema.Int, url: Schema.String, started_at: Schema.String })
export type Runtime = typeof Runtime.Type

export const runtimeFile = (dir: string) => join(dir, "runtime.json")
export const tokenFile = (side: Side, dir: string) => join(dir, side === "local" ? "token" : "admin-token")

/** `--on` and `--tenant`: which backend a conversation command talks to. */
export const where = {
  on: Flag.Literals("on", ["local", "hosted"]).pipe(
    Flag.withDescription("Which backend on this machine to ask"),
    Flag.withDefault("local")
  ),
  tenant: Flag.String("tenant").pipe(
    Flag.withDescription("With --on hosted: whose conversations, as in `maestra hosted peers`"),
    Flag.withFallbackConfig(Config.NonEmptyString("MAESTRA_TENANT")),
    Flag.optional
  )
}

export interface Where {
  readonly on: Side
  readonly tenant: Option.Option<string>
}

/** The backend whose conversations a command reads. */
export const reading = ({ on, tenant }: Where): Effect.Effect<Backend, CliFailure, Needs> =>
  on === "hosted" && Option.isNone(tenant)
    ? Effect.fail(misused("tenant-missing", "hosted holds several people's conversations; say whose with --tenant t_…", "`maestra hosted peers` lists the tenants."))
    : Effect.map(find(on), (backend) => on === "local" ? backend : { ...backend, tenant: Option.getOrUndefined(tenant) })

/** The same for what hosted also tells of everybody together. */
export const readingOfAll = (at: Where): Effect.Effect<Backend, CliFailure, Needs> => at.on === "hosted" && Option.isNone(at.tenant) ? find("hosted") : reading(at)

/** The backend a command writes to. The operator of hosted reads only: a person's words are written as that person. */
export const writing = (at: Where): Effect.Effect<Backend, CliFailure, Needs> =>
  at.on === "hosted"
    ? Effect.fail(refused("operator-reads-only", "the operator of a hosted backend only reads conversations; nothing was written", "Write on a paired local backend (without --on hosted)."))
    : reading(at)

type Needs = FileSystem.FileSystem | Effect.Services<ReturnType<typeof sideDir>>

/** The backend of this data directory, if it runs; where an operator names one elsewhere, that one. */
export const find = (side: Side): Effect.Effect<Backend, CliFailure, Needs> =>
  Effect.gen(function*() {
    const elsewhere = side === "hosted" ? yield* hostedElsewhere : Option.none<Backend>()
    return Option.isSome(elsewhere) ? elsewhere.value : yield* findIn(side, yield* sideDir(side))
  })

/** `MAESTRA_HOSTED_URL` with an admin token in `MAESTRA_ADMIN_TOKEN` or the file `MAESTRA_ADMIN_TOKEN_FILE` names. */
const hostedElsewhere = Effect.gen(function*() {
  const url = yield* Config.String("MAESTRA_HOSTED_URL").pipe(Config.withDefault(""))
  if (url === "") return Option.none<Backend>()
  const why = refusalOfUrl(url)
  if (why !== undefined) return yield* misused("hosted-url", `MAESTRA_HOSTED_URL ${why}`, "Set it to https://….")
  yield* trust(yield* Config.option(Config.NonEmptyString("MAESTRA_CA")))
  const token = yield* secretSetting("MAESTRA_ADMIN_TOKEN")
  if (Option.isNone(token)) return yield* misused("token-missing", "MAESTRA_HOSTED_URL is set and no admin token", "Put one into a file of yours alone and set MAESTRA_ADMIN_TOKEN_FILE; `maestra hosted tokens create NAME` makes one.")
  return Option.some<Backend>({ side: "hosted", url, token: token.value.secret, tenant: undefined })
}).pipe(
  Effect.catchTags({
    ConfigError: () => Effect.fail(misused("hosted-url", "MAESTRA_HOSTED_URL or MAESTRA_ADMIN_TOKEN cannot be read", "Set both to plain texts.")),
    SecretUnreadable: ({ hint }) => Effect.fail(misused("token-unreadable", "the admin token cannot be read", hint))
  }))

/** As `find`, for a folder given by the caller. */
export const findIn = Effect.fnUntraced(function*(side: Side, dir: string) {
  const runtime = yield* runningIn(dir)
  if (Option.isNone(runtime)) return yield* notRunning(side)
  const fs = yield* FileSystem.FileSystem
  const token = yield* fs.readFileString(tokenFile(side, dir)).pipe(
    Effect.mapError(() => failed("token-unreadable", `the token of the ${side} backend cannot be read at ${tokenFile(side, dir)}`, "Run this as the user who started the backend."))
  )
  const backend: Backend = { side, url: runtime.value.url, token: Redacted.make(token.trim()), tenant: undefined }
  return backend
})

/** Who runs in a data directory right now; a file left by a process that is gone counts as nobody. */
export const runningIn = Effect.fnUntraced(function*(dir: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(runtimeFile(dir)).pipe(Effect.option)
  const runtime = Option.flatMap(text, (json) => Schema.decodeOption(Schema.fromJsonString(Runtime))(json))
  return Option.filter(runtime, ({ pid }) => isAlive(pid))
})

export const notRunning = (side: Side) =>
  notReachable("not-running", `the ${side} backend is not running; start it with \`maestra ${side} up\``)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // another user's process: there, but not ours to signal
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
  return !isZombie(pid)
}

/** Ended, and nobody has asked for its exit code yet: it takes signals and does nothing. Only Linux tells. */
const isZombie = (pid: number): boolean => {
  try {
    // `pid (name) state …`; the name may hold anything, so the state is what follows the last bracket
    return /\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
  } catch {
    return false
  }
}
