import type { Entry, Storage } from "./storage.ts"

/** The part of the browser's IndexedDB that is used here, so that no browser types are needed to read this. */
interface Request<A> {
  readonly result: A
  readonly error: unknown
  addEventListener(name: "success" | "error", told: () => void): void
}
interface ObjectStore {
  get(key: string): Request<unknown>
  put(value: unknown, key: string): Request<unknown>
  delete(key: string): Request<unknown>
  getAllKeys(range: unknown): Request<ReadonlyArray<unknown>>
  getAll(range: unknown): Request<ReadonlyArray<unknown>>
}
interface Transaction {
  objectStore(name: string): ObjectStore
  readonly error: unknown
  addEventListener(name: "complete" | "abort", told: () => void): void
}
interface Database {
  createObjectStore(name: string): unknown
  transaction(name: string, mode: "readonly" | "readwrite", options?: { readonly durability: "strict" }): Transaction
}
interface OpenRequest {
  readonly result: Database
  readonly error: unknown
  addEventListener(name: "success" | "error" | "upgradeneeded", told: () => void): void
}

/** What a browser page has: `window` or a worker's `self`. */
export interface BrowserScope {
  readonly indexedDB: { open(name: string, version: number): OpenRequest }
  readonly IDBKeyRange: { bound(from: string, to: string): unknown }
  /** Web Locks: how tabs take turns. Every browser has had them since 2022. */
  readonly navigator: { readonly locks?: { request<A>(name: string, run: () => Promise<A>): Promise<A> } }
}

const store = "entries"
/** Above every character a key begins with. */
const lastKey = "\uffff"

const resultOf = <A>(request: Request<A>): Promise<A> =>
  new Promise((done, failed) => {
    request.addEventListener("success", () => done(request.result))
    request.addEventListener("error", () => failed(request.error))
  })

const settled = (transaction: Transaction): Promise<void> =>
  new Promise((done, failed) => {
    transaction.addEventListener("complete", () => done())
    transaction.addEventListener("abort", () => failed(transaction.error))
  })

/**
 * IndexedDB as storage, and, because it can hold CryptoKeys that cannot be exported, as the place for keys too.
 * Tabs take turns by Web Locks.
 */
export const indexedDbStorage = async (scope: BrowserScope, name = "maestra"): Promise<Storage> => {
  const opening = scope.indexedDB.open(name, 1)
  opening.addEventListener("upgradeneeded", () => void opening.result.createObjectStore(store))
  const database = await resultOf(opening)
  const within = (prefix: string) => scope.IDBKeyRange.bound(prefix, prefix + lastKey)
  const { locks } = scope.navigator
  if (locks === undefined) throw new Error("this browser has no Web Locks: tabs could not take turns")
  return {
    read: (key) => resultOf(database.transaction(store, "readonly").objectStore(store).get(key)),
    list: async (prefix) => {
      const entries = database.transaction(store, "readonly").objectStore(store)
      const [keys, values] = await Promise.all([resultOf(entries.getAllKeys(within(prefix))), resultOf(entries.getAll(within(prefix)))])
      return keys.map((key, at): Entry => [String(key), values[at]])
    },
    write: async (entries) => {
      const transaction = database.transaction(store, "readwrite", { durability: "strict" })
      const done = settled(transaction)
      const into = transaction.objectStore(store)
      for (const [key, value] of entries) {
        if (value === undefined) into.delete(key)
        else into.put(value, key)
      }
      await done
    },
    alone: (lock, run) => locks.request(`${name}/${lock}`, run)
  }
}
