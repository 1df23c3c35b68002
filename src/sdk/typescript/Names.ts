import { isShareable } from "../../privacy/gate.ts"
import { type DataKey, sharedId } from "../../security/portable/sealing.ts"

/** What ids are called in the log: themselves, or a keyed hash where they are no tokens or hold PII. */
export interface Names {
  /** Learn the shared names of these ids, which `of` then knows. */
  readonly learn: (ids: Iterable<string>) => Promise<void>
  readonly of: (id: string) => string
}

/** `key`: the tenant's first data key. */
export const makeNames = (key: DataKey): Names => {
  const known = new Map<string, string>()
  return {
    learn: async (ids) => {
      for (const id of ids) {
        if (!known.has(id)) known.set(id, isShareable(id) ? id : await sharedId(key, id))
      }
    },
    of: (id) => {
      const name = known.get(id)
      if (name === undefined) throw new Error("an id whose shared name was not learnt")
      return name
    }
  }
}
