import { Config, Effect, Option, Schema } from "effect"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { delimiter, isAbsolute, join, resolve } from "node:path"
import { fromCache, intoCache, stagingFolder } from "./serverCache.ts"
import { debianPackage, fromPackage, type PackageSource } from "./serverPackage.ts"
import { fromRelease, officialRelease, type Release, type Say, StepFailed } from "./serverRelease.ts"
import { isAtLeast, serverVersionMin, versionOf } from "./serverVersion.ts"

/** No usable nats-server here and none could be fetched. The message lists what was tried and what to do by hand. */
export class ServerNotFound extends Schema.TaggedError<ServerNotFound>()("ServerNotFound", {
  tried: Schema.Array(Schema.String),
  hint: Schema.String
}) {
  override get message(): string {
    return [`No nats-server ${serverVersionMin} or newer. Tried:`, ...this.tried.map((line) => `  - ${line}`), this.hint].join("\n")
  }
}

/** The server that `NATS_SERVER` names is too old. It was not replaced by another, since somebody asked for it. */
export class ServerTooOld extends Schema.TaggedError<ServerTooOld>()("ServerTooOld", { path: Schema.String, version: Schema.String, hint: Schema.String }) {
  override get message(): string {
    return `${this.path} is nats-server ${this.version}; at least ${serverVersionMin} is needed. ${this.hint}`
  }
}

export interface FoundServer {
  /** Absolute. */
  readonly path: string
  readonly version: string
  readonly source: "NATS_SERVER" | "PATH" | "cache" | "release" | "package"
}

export interface FindOptions {
  /** Progress, a line at a time, for the person who waits. */
  readonly say: Say
  /** Where fetched servers are kept. Default `${XDG_CACHE_HOME:-~/.cache}/maestra-sync`. */
  readonly cacheDir?: string
  readonly release?: Release
  readonly package?: PackageSource
  /** `<process.platform>-<process.arch>`, as in `Release.archives`. */
  readonly platform?: string
}

/**
 * A nats-server that is new enough: `NATS_SERVER`, then `PATH`, our cache, the official release (downloaded, checked,
 * cached), the distribution's newer package (likewise). The environment is read through Config.
 */
export const findServer = (options: FindOptions): Effect.Effect<FoundServer, ServerNotFound | ServerTooOld> =>
  Effect.gen(function*() {
    const named = yield* setting("NATS_SERVER")
    if (named !== undefined) return yield* theNamed(resolve(named))

    const tried: Array<string> = ["NATS_SERVER: not set"]
    const onPath = yield* fromPath(options.say)
    if (typeof onPath !== "string") return onPath
    tried.push(`PATH: ${onPath}`)

    const cache = options.cacheDir ?? (yield* defaultCache)
    const cached = yield* fromCache(cache)
    if (Option.isSome(cached)) return { ...cached.value, source: "cache" }
    tried.push(`cache: nothing usable in ${cache}`)

    for (const [source, name, fetch] of fetches(options)) {
      const fetched = yield* Effect.result(Effect.scoped(fetchInto(cache, fetch)))
      if (fetched._tag === "Success") {
        yield* options.say(`nats-server ${fetched.success.version} is ready in ${fetched.success.path}`)
        return { ...fetched.success, source }
      }
      tried.push(`${name}: ${fetched.failure.why}`)
      yield* options.say(`${name}: ${fetched.failure.why}`)
    }
    return yield* new ServerNotFound({ tried, hint: byHand })
  })

const byHand = [
  `By hand: download nats-server ${serverVersionMin} or newer for this machine from`,
  "https://github.com/nats-io/nats-server/releases, check it against the SHA256SUMS there, unpack it, and either put it",
  "on PATH or set NATS_SERVER to its path. Then run the same command again."
].join("\n")

const theNamed = (path: string): Effect.Effect<FoundServer, ServerNotFound | ServerTooOld> =>
  Effect.gen(function*() {
    const version = Option.getOrUndefined(yield* versionOf(path))
    if (version === undefined) return yield* new ServerNotFound({ tried: [`NATS_SERVER: ${path} is not a nats-server that runs here`], hint: "Set NATS_SERVER to one that does, or unset it." })
    if (!isAtLeast(version, serverVersionMin)) return yield* new ServerTooOld({ path, version, hint: "Set NATS_SERVER to a newer one, or unset it." })
    return { path, version, source: "NATS_SERVER" }
  })

/** The first nats-server on PATH, or why not. */
const fromPath = (say: Say): Effect.Effect<FoundServer | string> =>
  Effect.gen(function*() {
    const folders = ((yield* setting("PATH")) ?? "").split(delimiter).filter(isAbsolute)
    const path = folders.map((folder) => join(folder, "nats-server")).find((file) => existsSync(file))
    if (path === undefined) return "no nats-server"
    const version = Option.getOrUndefined(yield* versionOf(path))
    if (version === undefined) return `${path} does not run`
    if (isAtLeast(version, serverVersionMin)) return { path, version, source: "PATH" }
    yield* say(`${path} is nats-server ${version}, too old (${serverVersionMin} is needed); looking further`)
    return `${path} is ${version}, too old`
  })

type Fetch = (folder: string) => Effect.Effect<string, StepFailed>

const fetches = (options: FindOptions): ReadonlyArray<readonly ["release" | "package", string, Fetch]> => [
  ["release", "official release", (folder) => fromRelease(options.release ?? officialRelease, options.platform ?? `${process.platform}-${process.arch}`, folder, options.say)],
  ["package", "the distribution's newer package", (folder) => fromPackage(options.package ?? debianPackage, folder, options.say)]
]

const fetchInto = (cache: string, fetch: Fetch) =>
  Effect.gen(function*() {
    const folder = yield* stagingFolder(cache)
    const fetched = yield* fetch(folder)
    const kept = yield* intoCache(cache, folder, fetched)
    return Option.isSome(kept) ? kept.value : yield* new StepFailed({ why: "what was fetched does not run here, or is too old" })
  })

const setting = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.orDie(Config.option(Config.String(name))), (value) => Option.getOrUndefined(Option.filter(value, (text) => text !== "")))

const defaultCache = Effect.gen(function*() {
  const base = (yield* setting("XDG_CACHE_HOME")) ?? join((yield* setting("HOME")) ?? homedir(), ".cache")
  return join(base, "maestra-sync")
})
