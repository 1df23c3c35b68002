/** One entry to be written; `undefined` removes it. */
export type Entry = readonly [key: string, value: unknown]

/**
 * Where a surface keeps its journal and what it has seen, so that both survive a reload. Values are plain JSON.
 * `memoryStorage` is for tests; browsers have `indexedDbStorage`, Node `fileStorage`.
 */
export interface Storage {
  /** A value, or `undefined` where there is none. */
  readonly read: (key: string) => Promise<unknown>
  /** Entries whose keys begin with `prefix`, in the order of their keys. */
  readonly list: (prefix: string) => Promise<ReadonlyArray<Entry>>
  /** All or nothing, durable when it resolves. */
  readonly write: (entries: ReadonlyArray<Entry>) => Promise<void>
  /** Run alone among all tabs and processes that share this storage. Not re-entrant. */
  readonly alone: <A>(name: string, run: () => Promise<A>) => Promise<A>
}

/** Runs one after the other under each name: the lock of one process. */
export const turns = (): Storage["alone"] => {
  const last = new Map<string, Promise<unknown>>()
  return async <A>(name: string, run: () => Promise<A>): Promise<A> => {
    const before = last.get(name) ?? Promise.resolve()
    const mine = before.then(run, run)
    const settled = mine.then(() => undefined, () => undefined)
    last.set(name, settled)
    try {
      return await mine
    } finally {
      if (last.get(name) === settled) last.delete(name)
    }
  }
}

/** Keeps everything in memory. Copies what it is given, as a real storage does. */
export const memoryStorage = (): Storage => {
  const held = new Map<string, string>()
  return {
    read: async (key) => {
      const text = held.get(key)
      return text === undefined ? undefined : JSON.parse(text)
    },
    list: async (prefix) =>
      [...held].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => a < b ? -1 : 1).map(([key, text]) => [key, JSON.parse(text)] as const),
    write: async (entries) => {
      for (const [key, value] of entries) {
        if (value === undefined) held.delete(key)
        else held.set(key, JSON.stringify(value))
      }
    },
    alone: turns()
  }
}
