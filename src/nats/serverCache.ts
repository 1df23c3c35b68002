import { Effect, Option, type Scope } from "effect"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { StepFailed } from "./serverRelease.ts"
import { isAtLeast, serverVersionMin, versionOf } from "./serverVersion.ts"

export interface Cached {
  readonly path: string
  readonly version: string
}

/** The newest usable server in the cache (`<cache>/nats-server-<version>/nats-server`). */
export const fromCache = (cache: string): Effect.Effect<Option.Option<Cached>> =>
  Effect.gen(function*() {
    const candidates = versionsIn(cache).filter((version) => isAtLeast(version, serverVersionMin)).sort((a, b) => isAtLeast(a, b) ? -1 : 1)
    for (const version of candidates) {
      const path = join(cache, `nats-server-${version}`, "nats-server")
      // asked, not believed: the file may be another machine's (a shared home directory)
      if (Option.isSome(yield* versionOf(path))) return Option.some({ path, version })
    }
    return Option.none()
  })

/** A folder beside the cached servers, private to this fetch, gone with the scope. */
export const stagingFolder = (cache: string): Effect.Effect<string, StepFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        mkdirSync(cache, { recursive: true, mode: 0o700 })
        return mkdtempSync(join(cache, ".fetching-"))
      },
      catch: (cause) => new StepFailed({ why: `the cache cannot be written: ${cause instanceof Error ? cause.message : cache}` })
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

/**
 * Put a fetched server in its place: whole or not at all, however many processes do so at once.
 * None: it does not run here, or is too old.
 */
export const intoCache = (cache: string, folder: string, fetched: string): Effect.Effect<Option.Option<Cached>, StepFailed> =>
  Effect.gen(function*() {
    chmodSync(fetched, 0o755)
    const version = Option.getOrUndefined(yield* versionOf(fetched))
    if (version === undefined || !isAtLeast(version, serverVersionMin)) return Option.none()
    const ready = join(folder, "ready")
    mkdirSync(ready)
    renameSync(fetched, join(ready, "nats-server"))
    const place = join(cache, `nats-server-${version}`)
    const move = Effect.try({ try: () => renameSync(ready, place), catch: () => new StepFailed({ why: `${place} cannot be written` }) })
    yield* Effect.catch(move, () =>
      Effect.gen(function*() {
        // another process was first, and what it put there was checked likewise; anything else there does not run
        if (Option.isSome(yield* versionOf(join(place, "nats-server")))) return
        rmSync(place, { recursive: true, force: true })
        yield* move
      }))
    return Option.some({ path: join(place, "nats-server"), version })
  })

const versionsIn = (cache: string): ReadonlyArray<string> =>
  statSync(cache, { throwIfNoEntry: false })?.isDirectory() === true
    ? readdirSync(cache).map((name) => /^nats-server-(\d+\.\d+\.\d+\S*)$/.exec(name)?.[1]).filter((version) => version !== undefined)
    : []
