import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { join } from "node:path"
import { masterKeySetting } from "../../../security/masterKey.ts"
import { clusterDir } from "../../clusterPlace.ts"
import { failed, misused } from "../../failure.ts"
import { answer } from "../../print.ts"
import { sideDir } from "../../settings.ts"

/** `hosted rekey`: what lies under the master key, under `MAESTRA_NEW_MASTER_KEY`, while nothing runs. Stopped, the same again goes on. */
export const rekey = Command.make(
  "rekey",
  {},
  Effect.fn(function*() {
    const fs = yield* FileSystem.FileSystem
    const next = yield* masterKeySetting("MAESTRA_NEW_MASTER_KEY").pipe(Effect.mapError(notRekeyed))
    if (Option.isNone(next)) return yield* misused("new-key-missing", "there is no new master key", "Put one into a file of yours alone and set MAESTRA_NEW_MASTER_KEY_FILE: openssl rand 32 | basenc --base64url | tr -d '=\\n'")
    const { keepMasterKey, openMasterKey } = yield* Effect.promise(() => import("../../../hosted/Deployment.ts"))
    const hosted = yield* Effect.promise(() => import("../../../hosted/rekey.ts"))
    const files: Array<string> = []
    let kept = false
    for (const dir of [yield* sideDir("hosted"), yield* clusterDir]) {
      if (!(yield* fs.exists(join(dir, "keys.json")).pipe(Effect.orElseSucceed(() => false)))) continue
      const from = yield* openMasterKey(dir).pipe(Effect.mapError(notRekeyed))
      files.push(...yield* Effect.scoped(hosted.rekey(dir, { from, to: next.value })).pipe(Effect.mapError(notRekeyed)))
      kept = (yield* keepMasterKey(dir, next.value).pipe(Effect.mapError(notRekeyed))) || kept
    }
    if (files.length === 0) return yield* failed("nothing-there", "there is no deployment in this data directory", "Set MAESTRA_DATA_DIR, or --data-dir, to the one that has it.")
    yield* answer({ files, kept_in_keystore: kept }, () =>
      [
        "under the new master key:", ...files.map((file) => `  ${file}`), "",
        kept ? "The new key is where the old one was kept." : "Start with MAESTRA_MASTER_KEY set to the new key.",
        "Backups made before open with the old key only: make a new one, then destroy the old key and them."
      ].join("\n"))
  })
).pipe(
  Command.withDescription("Put a deployment under a new master key, while it is stopped"),
  Command.withExamples([{ command: "MAESTRA_NEW_MASTER_KEY_FILE=new-key maestra hosted rekey", description: "The present one in MAESTRA_MASTER_KEY, or in the keychain" }])
)

const notRekeyed = (error: { readonly _tag: string; readonly why?: string; readonly hint?: string; readonly message: string }) =>
  failed(error._tag, error.why ?? error.message, error.hint ?? "Nothing was changed.")
