import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { createWriteStream } from "node:fs"
import { join } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"

/** A way to get a server did not work; the next one is tried. `why` goes into the list of what was tried. */
export class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", { why: Schema.String }) {}

export type Say = (line: string) => Effect.Effect<void>

/** One release: where, and what each platform's archive must hash to (SHA-256, hex). A platform that is not in the table has no archive step. */
export interface Release {
  readonly version: string
  readonly baseUrl: string
  readonly archives: Readonly<Record<string, { readonly file: string; readonly sha256: string }>>
}

/**
 * The official release, per `<process.platform>-<process.arch>`. The Linux sums are those a public container build
 * of 2.15.1 pins for the same files. For macOS and Windows no sum was known when this was written: add them from the
 * release's own SHA256SUMS. A wrong sum refuses the archive, it never lets one in.
 */
export const officialRelease: Release = {
  version: "2.15.1",
  baseUrl: "https://github.com/nats-io/nats-server/releases/download/v2.15.1",
  archives: {
    "linux-x64": { file: "nats-server-v2.15.1-linux-amd64.tar.gz", sha256: "bf5edc7b1ce98e885c368cb43a886eb148dc5d0551d99f3cf6141fb5e1954c70" },
    "linux-arm64": { file: "nats-server-v2.15.1-linux-arm64.tar.gz", sha256: "e2fbab4cad7d3c76e3052eb959570393c9d73ba756b70bf8e9eea61e9ae6d49c" }
  }
}

/** Today's archive is 7 MB. */
const archiveMaxBytes = 64 * 1024 * 1024
const answerWithin = "10 seconds"
const downloadWithin = "5 minutes"

/** Download, check and unpack into `folder`; the path of the unpacked server. */
export const fromRelease = (release: Release, platform: string, folder: string, say: Say): Effect.Effect<string, StepFailed> =>
  Effect.gen(function*() {
    const archive = release.archives[platform]
    if (archive === undefined) return yield* new StepFailed({ why: `no checksum is known for ${platform}, so this step is not available` })
    const url = `${release.baseUrl}/${archive.file}`
    yield* say(`Downloading nats-server ${release.version} from ${url}`)
    const response = yield* attempt((signal) => fetch(url, { signal })).pipe(
      Effect.timeoutOrElse({ duration: answerWithin, orElse: () => Effect.fail(new StepFailed({ why: `${new URL(url).host} did not answer within ${answerWithin}` })) })
    )
    if (!response.ok || response.body === null) return yield* new StepFailed({ why: `${url} answered ${response.status}` })
    const file = join(folder, archive.file)
    const total = Number(response.headers.get("content-length") ?? 0)
    const hash = createHash("sha256")
    const progress = { bytes: 0, told: 0 }
    const save = attempt((signal) =>
      pipeline(
        Readable.fromWeb(response.body!),
        async function*(chunks: AsyncIterable<Uint8Array>) {
          for await (const chunk of chunks) {
            progress.bytes += chunk.length
            if (progress.bytes > archiveMaxBytes) throw new Error(`larger than ${archiveMaxBytes} bytes`)
            hash.update(chunk)
            yield chunk
          }
        },
        createWriteStream(file, { mode: 0o600 }),
        { signal }
      )
    )
    const tell = Effect.gen(function*() {
      for (;;) {
        yield* Effect.sleep("1 second")
        yield* say(`  ${(progress.bytes / 1e6).toFixed(1)} MB${total > 0 ? ` of ${(total / 1e6).toFixed(1)} MB` : ""}`)
      }
    })
    yield* Effect.raceFirst(save, tell).pipe(
      Effect.timeoutOrElse({ duration: downloadWithin, orElse: () => Effect.fail(new StepFailed({ why: `the download took longer than ${downloadWithin}` })) })
    )
    const sum = hash.digest("hex")
    if (sum !== archive.sha256) return yield* new StepFailed({ why: `${archive.file} has SHA-256 ${sum}, not ${archive.sha256}: not used` })
    const member = `${archive.file.replace(/\.tar\.gz$/, "")}/nats-server`
    yield* run("tar", ["-xzf", file, "-C", folder, member])
    return join(folder, member)
  })

/** Run a command to its end; what it said last is why it failed. */
export const run = (command: string, argv: ReadonlyArray<string>, cwd?: string): Effect.Effect<string, StepFailed> =>
  Effect.callback((resume) => {
    const child = execFile(command, argv, { maxBuffer: 16 * 1024 * 1024, ...(cwd === undefined ? {} : { cwd }) }, (error, out, said) => {
      const last = said.trim().split("\n").filter((line) => line !== "").at(-1) ?? error?.message
      resume(error === null ? Effect.succeed(out) : Effect.fail(new StepFailed({ why: `${command}: ${last}` })))
    })
    return Effect.sync(() => child.kill())
  })

const attempt = <A>(task: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, StepFailed> =>
  Effect.tryPromise({ try: task, catch: (cause) => new StepFailed({ why: reasonOf(cause) }) })

const reasonOf = (cause: unknown): string =>
  cause instanceof Error ? cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message : String(cause)
