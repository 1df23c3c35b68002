import { memoryKeychain, keychainVault } from "../../src/sdk/typescript/vault.ts"
import { memoryStorage, type Storage } from "../../src/sdk/typescript/storage.ts"
import type { Maestra, MaestraOptions } from "../../src/sdk/typescript/api.ts"
import { openMaestra } from "../../src/sdk/typescript/Maestra.ts"
import { done } from "./linked.ts"
import type { Backend } from "./world.ts"

/** The network of one surface: what it sends passes here, and stops where a side is cut off. */
export interface Wire {
  readonly fetch: typeof fetch
  /** Origins that do not answer at the moment. */
  readonly cut: Set<string>
  /** Bodies sent to `/sync`, in order. */
  readonly synced: Array<string>
  /** The requests to `/sync` once more, as a network does that holds one up and lets it go later. */
  readonly late: Array<() => Promise<Response>>
  /** The answer gets lost on its way back, this many times. */
  loseAnswers: number
}

export const makeWire = (): Wire => {
  const wire: Wire = {
    cut: new Set(),
    synced: [],
    late: [],
    loseAnswers: 0,
    fetch: async (input, init) => {
      const url = new URL(String(input))
      if (wire.cut.has(url.origin)) throw new TypeError("fetch failed")
      if (url.pathname.startsWith("/sync/")) {
        wire.synced.push(String(init?.body))
        wire.late.push(() => fetch(input, init))
      }
      const answer = await fetch(input, init)
      if (url.pathname.startsWith("/sync/") && wire.loseAnswers > 0) {
        wire.loseAnswers--
        await answer.arrayBuffer()
        throw new TypeError("fetch failed")
      }
      return answer
    }
  }
  return wire
}

export interface Surface extends Maestra {
  readonly wire: Wire
  readonly storage: Storage
}

/** A phone or a browser tab as the SDK runs there, its storage and keychain in memory. */
export const openSurface = async (platform: string, more: Partial<MaestraOptions> = {}): Promise<Surface> => {
  const wire = makeWire()
  const storage = more.storage ?? memoryStorage()
  const maestra = await openMaestra({ platform, storage, vault: keychainVault(memoryKeychain()), runtime: { fetch: wire.fetch }, ...more })
  return { ...maestra, wire, storage }
}

/** A one-time code of a hosted backend, as `maestra hosted enroll` prints it. */
export const pairingCode = async (hosted: Backend, user: string): Promise<string> => (await done<{ readonly code: string }>(hosted, "POST", "/enroll", { user })).code

/** A one-time code of a local backend, as `maestra local open` prints it. */
export const companionCode = async (local: Backend): Promise<string> => (await done<{ readonly code: string }>(local, "POST", "/companion-codes", {})).code

/** Sync with every side until nothing is left to send or to hear. */
export const settle = async (...surfaces: ReadonlyArray<Maestra>): Promise<void> => {
  for (const surface of surfaces) {
    for (let rounds = 0; rounds < 20; rounds++) {
      const all = await surface.sync()
      if (all.every(({ nextMillis, received, sent }) => nextMillis > 0 && sent === 0 && received === 0)) break
    }
  }
}

/** What a person reads. */
export const readOn = async (surface: Maestra, id: string) => (await surface.get(id))?.messages.map(({ content, role }) => [role, content])
