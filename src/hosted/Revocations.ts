import { Effect, Result, Schema } from "effect"
import { join } from "node:path"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** The list of revoked leafs cannot be read. The hub was not started: it would let them in again. */
export class RevocationsUnreadable extends Schema.TaggedError<RevocationsUnreadable>()("RevocationsUnreadable", { file: Schema.String, hint: Schema.String }) {}

/** Transport keys and the second of their revocation. Beside the stream store, so that a restored store lets nobody in. */
const RevocationsJson = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Int))
const fileOf = (dataDir: string) => join(dataDir, "revocations.json")

export const loadRevocations = Effect.fn("loadRevocations")(function*(dataDir: string) {
  const file = fileOf(dataDir)
  const hint = `${file} is damaged or cannot be read. Put a copy back; without it revoked machines could connect again.`
  const text = yield* Effect.tryPromise({
    try: async () => (await readIfThere(file)) ?? "{}",
    catch: () => new RevocationsUnreadable({ file, hint })
  })
  const read = Schema.decodeResult(RevocationsJson)(text)
  return Result.isSuccess(read) ? read.success : yield* new RevocationsUnreadable({ file, hint })
})

export const saveRevocations = (dataDir: string, revocations: Readonly<Record<string, number>>): Effect.Effect<void> =>
  Effect.promise(() => replaceFile(fileOf(dataDir), `${JSON.stringify(revocations)}\n`))
