import { applyChanges, type Change, decodeChange, encodeChange, init } from "@automerge/automerge"
import { compare, type Stamp } from "../../streams/Stamp.ts"

/**
 * The merge as somebody else wrote it: npm `@automerge/automerge`, a map with a key for each register.
 *
 * Of several writes to a key none of whose authors knew the others, Automerge shows the one with the greatest
 * (operation counter, actor). It finds them by itself, from what each write says it replaced: it never sees a stamp.
 *
 * The counter is our lamport; both count one more than the greatest seen. Behind it our order has one thing more,
 * `(lamport, time, source)` against `(counter, actor)`: of two writes with one lamport ours asks the clocks first,
 * Automerge the names. `byTimeAndSource` gives each (time, source) an actor of its own, named so that the names' order
 * is the order of both: an identity for each moment, made from one write alone, without looking at any other.
 * `bySource` is the plain one, an actor for each backend: right wherever no two clocks decide.
 */
export type Naming = (stamp: Stamp) => string

export const byTimeAndSource: Naming = ({ source, time }) => hex(time + source)
export const bySource: Naming = ({ source }) => hex(source)

const hex = (text: string): string => Buffer.from(text).toString("hex")

/** An acknowledged write, and what its author knew then. */
export interface Acknowledged {
  readonly id: string
  readonly register: string
  readonly stamp: Stamp
  /** Writes its author had seen, directly or through these; all have smaller lamports. */
  readonly after: ReadonlyArray<string>
  /** Writes to the same register its author had seen. */
  readonly replaces: ReadonlyArray<string>
  readonly deletes: boolean
}

export interface Oracle {
  /** Take writes in; what they come after must be there already. */
  readonly add: (writes: ReadonlyArray<Acknowledged>) => void
  /** The id of the write each register shows; registers that show nothing are absent. */
  readonly winners: () => ReadonlyMap<string, string>
}

/**
 * `deletions`: as a value like any other (what they are here: a write, which a later one outdoes), or as Automerge's
 * own, which remove exactly the writes they name: one its author had not seen stays.
 */
export const makeOracle = (options: { readonly naming: Naming; readonly deletions: "values" | "removals" }): Oracle => {
  let doc = init<Record<string, number>>()
  const ids: Array<string> = []
  /** By write: its change's hash, and its operation where it made one that can be replaced. */
  const made = new Map<string, { readonly hash: string; readonly operation: string | undefined }>()
  const lastOf = new Map<string, { readonly seq: number; readonly hash: string }>()

  const changeOf = ({ after, deletes, id, register, replaces, stamp }: Acknowledged): Change => {
    const actor = options.naming(stamp)
    const before = lastOf.get(actor)
    const seq = (before?.seq ?? 0) + 1
    const pred = replaces.flatMap((replaced) => made.get(replaced)!.operation ?? []).sort()
    const removes = deletes && options.deletions === "removals"
    const about = { obj: "_root", key: register, pred } as const
    // nothing that could be removed was known: Automerge has no operation for that
    const ops = removes ? (pred.length === 0 ? [] : [{ action: "del", ...about }]) : [{ action: "set", value: ids.length, datatype: "int", ...about }]
    const change = encodeChange({
      actor, seq, startOp: stamp.lamport, time: 0, message: null, author: null, ops,
      deps: [...new Set([...after.map((other) => made.get(other)!.hash), ...(before === undefined ? [] : [before.hash])])].sort()
    })
    const { hash } = decodeChange(change)
    ids.push(id)
    made.set(id, { hash, operation: removes ? undefined : `${stamp.lamport}@${actor}` })
    lastOf.set(actor, { seq, hash })
    return change
  }
  return {
    add: (writes) => {
      const [next] = applyChanges(doc, writes.map(changeOf))
      doc = next
    },
    winners: () => new Map(Object.entries(doc).map(([register, index]) => [register, ids[index]!] as const))
  }
}

/** The greatest write of every register, by any order: ours to be right, another one to be found wrong. */
export const greatestBy = (writes: ReadonlyArray<Acknowledged>, order: (a: Stamp, b: Stamp) => number): ReadonlyMap<string, Acknowledged> => {
  const held = new Map<string, Acknowledged>()
  for (const write of writes) {
    const other = held.get(write.register)
    if (other === undefined || order(write.stamp, other.stamp) > 0) held.set(write.register, write)
  }
  return held
}

export const idsOf = (winners: ReadonlyMap<string, Acknowledged>): ReadonlyMap<string, string> =>
  new Map([...winners].map(([register, { id }]) => [register, id] as const))

/** Registers for which the two do not say the same. */
export const differing = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): ReadonlyArray<string> =>
  [...new Set([...a.keys(), ...b.keys()])].filter((register) => a.get(register) !== b.get(register))

export const byStamp = (a: Acknowledged, b: Acknowledged): number => compare(a.stamp, b.stamp)
