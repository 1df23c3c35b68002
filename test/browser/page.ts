import { type BrowserScope, cryptoKeyVault, indexedDbStorage, openMaestra } from "../../src/sdk/typescript/index.ts"
import { healthOf, localBackend, openOwnerSession } from "../../src/sdk/typescript/owner/index.ts"

declare const window: BrowserScope & { addEventListener(type: "online", run: () => void): void }

/** What a web surface does with the SDK; the tests call it from outside. */
const open = async (name: string) => {
  const storage = await indexedDbStorage(window, name)
  const maestra = await openMaestra({ platform: "web", storage, vault: cryptoKeyVault(storage) })
  window.addEventListener("online", maestra.wake)
  /** Tries to get the private keys out, as a script that got into the page would. */
  const steal = async () => {
    const kept = (await storage.list("keys/")).flatMap(([, value]) => value instanceof CryptoKey ? [value] : keysIn(value))
    const got = await Promise.all(kept.flatMap((key) => (["raw", "jwk", "pkcs8"] as const).map((format) => crypto.subtle.exportKey(format, key).then(() => format, () => "refused"))))
    return { kept: kept.length, extractable: kept.filter((key) => key.extractable).length, got: got.filter((one) => one !== "refused") }
  }
  return { ...maestra, steal }
}

const keysIn = (value: unknown): ReadonlyArray<CryptoKey> =>
  value instanceof CryptoKey ? [value] : typeof value === "object" && value !== null ? Object.values(value).flatMap(keysIn) : []

/** What became of a request: its status, or that the browser showed nothing of it. */
const tried = (url: string, init?: RequestInit) => fetch(url, init).then(({ status, type }) => type === "opaque" ? "opaque" : status, () => "blocked")

/** How a WebSocket ended. */
const dialled = (url: string, protocols: ReadonlyArray<string>) =>
  new Promise<string>((done) => {
    const socket = new WebSocket(url, [...protocols])
    socket.onopen = () => {
      socket.close()
      done("open")
    }
    socket.onerror = () => done("refused")
  })

Object.assign(globalThis, { open, tried, dialled, healthOf, localBackend, openOwnerSession })
