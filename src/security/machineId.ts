import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Effect, Option, Schema } from "effect"
import { replaceFile } from "./replaceFile.ts"

/** This machine has no id of its own, and none could be stored. Nothing was written. */
export class MachineIdUnavailable extends Schema.TaggedError<MachineIdUnavailable>()("MachineIdUnavailable", {
  file: Schema.String,
  hint: Schema.String,
  cause: Schema.Defect()
}) {}

/** Where Linux keeps it: systemd's place, then D-Bus's. */
const systemMachineIds: ReadonlyArray<string> = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
const shape = /^[0-9a-f]{32}$/

const readId = (file: string) =>
  Effect.promise(() => readFile(file, "utf8").then((text) => text.trim(), () => "")).pipe(
    Effect.map((text) => shape.test(text) ? Option.some(text) : Option.none())
  )

/**
 * What tells this machine from others: 32 hex characters. The operating system's, else one made here and kept
 * in `fallbackFile`. It never leaves the machine as it is; `localBackendId` hashes it.
 */
export const machineId = (fallbackFile: string, systemFiles = systemMachineIds): Effect.Effect<string, MachineIdUnavailable> =>
  Effect.gen(function*() {
    for (const file of [...systemFiles, fallbackFile]) {
      const id = yield* readId(file)
      if (Option.isSome(id)) return id.value
    }
    const id = randomBytes(16).toString("hex")
    yield* Effect.tryPromise({
      try: () => replaceFile(fallbackFile, `${id}\n`),
      catch: (cause) => new MachineIdUnavailable({ file: fallbackFile, hint: `Make the folder of ${fallbackFile} writable.`, cause })
    })
    return id
  })
