import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Backend, findIn } from "../backend.ts"
import { type CliFailure, failed } from "../failure.ts"
import { prepareFolder } from "../serving/folder.ts"
import { oneLine } from "../text.ts"
import type { Name, Place } from "./place.ts"

/** A backend of the demo, running as a process of its own. */
export interface Child {
  readonly name: Name
  readonly backend: Backend
  /** Looks it up as other commands would. */
  readonly find: Effect.Effect<Backend, CliFailure, FileSystem.FileSystem>
  /** Fails when the process ends by itself. */
  readonly died: Effect.Effect<never, CliFailure>
}

/** A first start makes keys and streams; a slow disk gets its time. */
const readyWithin = "2 minutes"
/** Clean stops take a second; then the group is killed. */
const stopWithin = "10 seconds"
/** So much of a child's log is shown when it fails. */
const lastLinesMax = 15

const main = fileURLToPath(new URL("../main.ts", import.meta.url))

/**
 * Start one backend as a child in its own process group, and wait until it serves. It stops when the scope closes,
 * and also when this process is killed: it watches its stdin, a pipe whose other end only we hold.
 */
export const startChild = Effect.fnUntraced(function*(place: Place, name: Name, natsServer: string) {
  const side = name === "hosted" ? "hosted" : "local"
  const folder = place.folder(name)
  const logFile = join(folder, "up.log")
  yield* prepareFolder(folder)
  const handle = yield* ChildProcess.make(process.execPath, [...process.execArgv, main, side, "up", "--json", "--port", String(place.ports[name]), ...portFlags(place, name)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
    killSignal: "SIGTERM",
    forceKillAfter: stopWithin,
    extendEnv: true,
    env: {
      MAESTRA_DATA_DIR: folder,
      MAESTRA_PARENT_PIPE: "1",
      MAESTRA_KEYSTORE_PASSPHRASE: Redacted.make(place.keystore_passphrase),
      MAESTRA_MASTER_KEY: Redacted.make(place.master_key),
      MAESTRA_PUBLIC_URL: undefined,
      NATS_SERVER: natsServer
    }
  }).pipe(Effect.mapError((error) => failed("child-not-started", `${name} could not be started: ${error.message}`)))
  const lastLines: Array<string> = []
  yield* handle.stderr.pipe(
    Stream.tap((bytes) => append(logFile, bytes)),
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((line) => Effect.sync(() => {
      lastLines.push(line)
      if (lastLines.length > lastLinesMax) lastLines.shift()
    })),
    Effect.ignore,
    Effect.forkScoped
  )
  // asked nicely first: the end of its stdin; the scope's SIGTERM and SIGKILL come after
  yield* Effect.addFinalizer(() => Stream.run(Stream.empty, handle.stdin).pipe(Effect.andThen(handle.exitCode), Effect.timeoutOption(stopWithin), Effect.ignore))
  const died = Effect.flatMap(Effect.exit(handle.exitCode), () => Effect.fail(ended(name, lastLines, logFile)))
  const ready = handle.stdout.pipe(Stream.decodeText, Stream.splitLines, Stream.runHead, Effect.orElseSucceed(() => Option.none<string>()))
  const line = yield* ready.pipe(Effect.timeoutOrElse({
    duration: readyWithin,
    orElse: () => Effect.fail(failed("child-not-ready", `${name} was not ready within ${readyWithin}`, `Its log: ${logFile}`))
  }))
  if (Option.isNone(line)) return yield* died
  const find = findIn(side, join(folder, side))
  const child: Child = { name, backend: yield* find, find, died }
  return child
})

/** Where hosted listens for devices stays the same from start to start: they have it written down. */
const portFlags = (place: Place, name: Name): ReadonlyArray<string> =>
  name === "hosted" ? ["--nats-port", "0", "--leaf-port", String(place.ports.leaf)] : ["--nats-port", "0"]

const append = Effect.fnUntraced(function*(file: string, bytes: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFile(file, bytes, { flag: "a", mode: 0o600 })
})

const Complaint = Schema.fromJsonString(Schema.Struct({ error: Schema.Struct({ sentence: Schema.String, hint: Schema.String }) }))

/** Why a child has ended: its own words where it found some, else the end of its log. */
const ended = (name: Name, lastLines: ReadonlyArray<string>, logFile: string) => {
  const complaint = Option.flatMap(Option.fromNullishOr(lastLines.at(-1)), Schema.decodeOption(Complaint))
  return Option.match(complaint, {
    onSome: ({ error }) => failed("child-ended", `${name}: ${error.sentence}`, `${error.hint}\n  All of its log: ${logFile}`),
    onNone: () =>
      failed(
        "child-ended",
        `${name} has ended${lastLines.length === 0 ? "" : `; the end of its log:\n${lastLines.map((line) => `    ${oneLine(line, 300)}`).join("\n")}`}`,
        `All of its log: ${logFile}`
      )
  })
}
