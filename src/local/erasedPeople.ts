import { Effect, Schema } from "effect"
import { join } from "node:path"
import { ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** The note of who was erased cannot be read or written. Nothing is lost: companions that hear nothing here ask hosted. */
export class ErasedPeopleUnreadable extends Schema.TaggedError<ErasedPeopleUnreadable>()("ErasedPeopleUnreadable", { file: Schema.String, hint: Schema.String }) {}

/** Opaque ids only: the companions this machine knew, and what proves to them that everything of their person is to go. */
const ErasedPerson = Schema.Struct({ companions: Schema.Array(Schema.String), receipt: ErasureReceipt })
export type ErasedPerson = typeof ErasedPerson.Type

/** Of companions that were erased with their machine, so that the machine can tell them when they come. */
export interface ErasedPeople {
  /** The receipt for a companion's peer id. */
  readonly of: (peer: string) => ErasureReceipt | undefined
  readonly keep: (person: ErasedPerson) => Effect.Effect<void, ErasedPeopleUnreadable>
}

/** A machine passes through few hands. */
const keptMax = 100
const List = Schema.fromJsonString(Schema.Array(ErasedPerson))

export const openErasedPeople = Effect.fn("openErasedPeople")(function*(dataDir: string): Effect.fn.Return<ErasedPeople, ErasedPeopleUnreadable> {
  const file = join(dataDir, "erased.json")
  const unreadable = () => new ErasedPeopleUnreadable({ file, hint: `${file} is damaged or cannot be written. Remove it: companions of somebody who was erased then hear of it from hosted only.` })
  const text = yield* Effect.tryPromise({
    try: async () => (await readIfThere(file)) ?? "[]",
    catch: unreadable
  })
  let held = yield* Schema.decodeEffect(List)(text).pipe(Effect.mapError(unreadable))
  return {
    of: (peer) => held.findLast(({ companions }) => companions.includes(peer))?.receipt,
    keep: (person) =>
      Effect.suspend(() => {
        held = [...held, person].slice(-keptMax)
        return Effect.tryPromise({ try: () => replaceFile(file, `${JSON.stringify(held)}\n`), catch: unreadable })
      })
  }
})
