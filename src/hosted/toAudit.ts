import { Effect, Result, Schema } from "effect"
import { appendFile, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Audit, AuditFact } from "../../streams/Audit.ts"

/** What commands do to a deployment while nothing of it runs: there is no audit to write to then. */
const commands = {
  rekey: { type: "key.rotated", by: "operator", data: { of: "master", key_id: "" } },
  restore: { type: "command.given", by: "operator", data: { command: "restore" } }
} as const satisfies Record<string, AuditFact>
const Command = Schema.Literals(["rekey", "restore"])
const isCommand = Schema.decodeUnknownResult(Command)

const fileOf = (dataDir: string) => join(dataDir, "to-audit")

/** Remember that it was done: the next start tells the audit. */
export const noteForAudit = (dataDir: string, command: keyof typeof commands): Effect.Effect<void> =>
  Effect.promise(() => appendFile(fileOf(dataDir), `${command}\n`, { mode: 0o600 }))

/** Tell the audit what was done since the last start. Told twice where this is cut off, never not at all. */
export const auditNoted = Effect.fnUntraced(function*(dataDir: string, audit: Pick<Audit["Service"], "record">) {
  const file = fileOf(dataDir)
  const text = yield* Effect.promise(() => readFile(file, "utf8").catch(() => ""))
  for (const line of text.split("\n")) {
    const command = isCommand(line)
    if (Result.isSuccess(command)) yield* audit.record(commands[command.success])
  }
  if (text !== "") yield* Effect.promise(() => rm(file, { force: true }))
})
