import { Effect, Result, Schema } from "effect"
import { join } from "node:path"
import { PeerId, Time } from "../../streams/ids.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { RevocationsUnreadable } from "./Revocations.ts"
import type { TenantRecord } from "./TenantRecord.ts"

/**
 * Every peer that was ever revoked, and when: beside the stream store, for ever. The tenant store says the same until an
 * older one is put back; the hub's own list names leafs only, and only as long as their tokens would last.
 */
export type GoneList = Readonly<Record<string, string>>

const GoneJson = Schema.fromJsonString(Schema.Record(PeerId, Time))
const fileOf = (dataDir: string) => join(dataDir, "gone.json")

export const loadGone = Effect.fn("loadGone")(function*(dataDir: string): Effect.fn.Return<GoneList, RevocationsUnreadable> {
  const file = fileOf(dataDir)
  const hint = `${file} is damaged or cannot be read. Put a copy back; without it revoked machines could register again.`
  const text = yield* Effect.tryPromise({
    try: async () => (await readIfThere(file)) ?? "{}",
    catch: () => new RevocationsUnreadable({ file, hint })
  })
  const read = Schema.decodeResult(GoneJson)(text)
  return Result.isSuccess(read) ? read.success : yield* new RevocationsUnreadable({ file, hint })
})

export const saveGone = (dataDir: string, gone: GoneList): Effect.Effect<void> =>
  Effect.promise(() => replaceFile(fileOf(dataDir), `${JSON.stringify(gone)}\n`))

/** Keeps the list: written only where a record names somebody new. */
export const openGoneList = Effect.fn("openGoneList")(function*(dataDir: string) {
  let held = yield* loadGone(dataDir)
  return (gone: TenantRecord["gone"]): Effect.Effect<void> =>
    Effect.suspend(() => {
      const fresh = gone.filter(({ peer_id, what }) => what === "revoked" && !(peer_id in held))
      if (fresh.length === 0) return Effect.void
      held = { ...held, ...Object.fromEntries(fresh.map(({ at, peer_id }) => [peer_id, at])) }
      return saveGone(dataDir, held)
    })
})
