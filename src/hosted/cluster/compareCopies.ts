/** What one server holds of a stretch of a stream: a digest for each sequence. */
export type Copy = ReadonlyMap<number, string>

/** A sequence at which the copies differ. */
export interface Place {
  readonly seq: number
  /** Whose copy does not have it as it should be: several where no two agree. */
  readonly servers: ReadonlyArray<string>
  /** `missing`: they cannot read it, and another server can. `other`: they hold something else. */
  readonly what: "missing" | "other"
}

/**
 * Where copies of one stretch differ, in order. What a server lacks and another holds was lost by the first: nothing
 * comes into a copy that was not in all. Of two that hold different things, most servers are right.
 */
export const compareCopies = (copies: ReadonlyMap<string, Copy>): ReadonlyArray<Place> => {
  const all = [...copies]
  const sequences = [...new Set(all.flatMap(([, copy]) => [...copy.keys()]))].sort((a, b) => a - b)
  return sequences.flatMap((seq): ReadonlyArray<Place> => {
    const without = all.filter(([, copy]) => !copy.has(seq)).map(([server]) => server)
    const holders = new Map<string, Array<string>>()
    for (const [server, copy] of all) {
      const digest = copy.get(seq)
      if (digest !== undefined) holders.set(digest, [...holders.get(digest) ?? [], server])
    }
    return [
      ...without.length === 0 ? [] : [{ seq, servers: without, what: "missing" as const }],
      ...holders.size < 2 ? [] : [{ seq, servers: outvoted([...holders.values()]), what: "other" as const }]
    ]
  })
}

/** Everybody but the greatest group; everybody where two are as great. */
const outvoted = (groups: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const [first = [], second = [], ...rest] = groups.toSorted((a, b) => b.length - a.length)
  return [...first.length > second.length ? [] : first, ...second, ...rest.flat()].sort()
}
