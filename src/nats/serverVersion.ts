import { Effect, Option } from "effect"
import { execFile } from "node:child_process"

/** Atomic batches, durable-sourced mirrors and the CVE fixes of 2026 came by then. */
export const serverVersionMin = "2.15.1"

/** What `<path> --version` says, or none where it cannot be run or is no nats-server. */
export const versionOf = (path: string): Effect.Effect<Option.Option<string>> =>
  Effect.callback((resume) => {
    execFile(path, ["--version"], { timeout: 10_000, env: {} }, (error, out) => {
      resume(Effect.succeed(error === null ? Option.fromNullishOr(/^nats-server: v(\d+\.\d+\.\d+\S*)/.exec(out)?.[1]) : Option.none()))
    })
  })

/** Is `version` at least `min`? A pre-release (`2.15.1-RC.1`) comes before its release. Pure. */
export const isAtLeast = (version: string, min: string): boolean => {
  const [release = "", ...preRelease] = version.split("-")
  const parts = release.split(".").map(Number)
  const wanted = min.split(".").map(Number)
  const differs = wanted.findIndex((part, at) => part !== parts[at])
  return differs === -1 ? preRelease.length === 0 : (parts[differs] ?? 0) > wanted[differs]!
}
