import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { randomBytes } from "node:crypto"
import { statfs } from "node:fs/promises"
import { dirname } from "node:path"
import { runningIn, runtimeFile, tokenFile, type Runtime } from "../backend.ts"
import { failed } from "../failure.ts"
import type { Side } from "../settings.ts"
import { size } from "../../../streams/size.ts"

const tokenBytes = 32

/** The folder of one backend, for this user alone. */
export const prepareFolder = Effect.fnUntraced(function*(dir: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(dir, { recursive: true, mode: 0o700 }).pipe(
    Effect.mapError((error) => failed("folder-unwritable", `the folder ${dir} cannot be made: ${error.message}`, "Choose another with --data-dir or MAESTRA_DATA_DIR."))
  )
  const free = yield* Effect.promise(() => statfs(dir).then(({ bavail, bsize }) => bavail * bsize, () => Infinity))
  if (free < startMinBytes) return yield* failed("disk-full", `the disk of ${dir} is full: ${size(free)} free`, "Make room, then start again. Nothing is lost.")
})

/** Locks, records of running processes, ports: what a start writes before it serves. */
const startMinBytes = 4 * 1024 ** 2

/**
 * Refuses when a backend already runs in this folder: two would write one journal. One that does not answer was
 * killed, and its process id given to somebody else; whoever still holds the store is found when it is opened.
 */
export const refuseSecond = Effect.fnUntraced(function*(side: Side, dir: string) {
  const running = yield* runningIn(dir)
  if (Option.isSome(running) && (yield* answers(running.value.url))) {
    return yield* failed(
      "already-running",
      `the ${side} backend of ${dir} already runs at ${running.value.url} (pid ${running.value.pid})`,
      "Use that one, stop it first, or give this one its own --data-dir."
    )
  }
})

const answerWithin = "2 seconds"

/** Health is asked without a token: nothing is given away to whoever listens there now. */
const answers = (url: string) =>
  Effect.tryPromise((signal) => fetch(`${url}/health`, { signal, redirect: "error" })).pipe(
    Effect.timeout(answerWithin),
    Effect.match({ onSuccess: ({ ok }) => ok, onFailure: () => false })
  )

/** The token that lets this user's programs in: made once, kept between runs, readable by this user alone. */
export const keptToken = Effect.fnUntraced(function*(side: Side, dir: string) {
  const fs = yield* FileSystem.FileSystem
  const file = tokenFile(side, dir)
  const kept = (yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => ""))).trim()
  if (kept !== "") {
    yield* writable(file, fs.chmod(file, 0o600))
    return kept
  }
  const token = randomBytes(tokenBytes).toString("base64url")
  yield* writeWhole(file, `${token}\n`)
  return token
})

/** `runtime.json` while this process serves; gone when the scope closes, unless another process has taken over. */
export const announce = (dir: string, runtime: Runtime) =>
  Effect.acquireRelease(
    writeWhole(runtimeFile(dir), `${JSON.stringify(runtime)}\n`),
    Effect.fnUntraced(function*() {
      const fs = yield* FileSystem.FileSystem
      const now = yield* runningIn(dir)
      if (Option.isSome(now) && now.value.pid === runtime.pid) yield* Effect.ignore(fs.remove(runtimeFile(dir)))
    })
  )

/** The new content or the old, never a half; mode 0600 from its first byte on. */
export const writeWhole = Effect.fnUntraced(function*(file: string, content: string) {
  const fs = yield* FileSystem.FileSystem
  const partial = `${file}.${process.pid}.partial`
  yield* writable(file, Effect.andThen(fs.writeFileString(partial, content, { mode: 0o600 }), fs.rename(partial, file)))
})

const writable = <A, E extends { readonly message: string }, R>(file: string, write: Effect.Effect<A, E, R>) =>
  Effect.mapError(write, (error) => failed("file-unwritable", `${file} cannot be written: ${error.message}`, `See who owns ${dirname(file)} and whether the disk is full.`))
