import { useSyncExternalStore } from "react"

/**
 * Where in the app the person is, kept behind the `#`: paths are the API's. Segments are decoded.
 *
 * @example #/conversations/a%2Fb  // ["conversations", "a/b"]
 */
export type Route = ReadonlyArray<string>

export const hrefOf = (...segments: Route): string => `#/${segments.map(encodeURIComponent).join("/")}`

export const go = (...segments: Route): void => {
  location.hash = hrefOf(...segments)
}

const readRoute = (hash: string): Route =>
  hash.replace(/^#\/?/, "").split("/").filter((part) => part !== "").map((part) => {
    try {
      return decodeURIComponent(part)
    } catch {
      return part
    }
  })

const onChange = (changed: () => void) => {
  addEventListener("hashchange", changed)
  return () => removeEventListener("hashchange", changed)
}

export const useRoute = (): Route => readRoute(useSyncExternalStore(onChange, () => location.hash))

/** Where somebody goes on whose place in the page is gone: the screen itself. */
export const focusMain = (): void => document.getElementById("main")?.focus()

/** A one-time code that came with the address, taken out of it at once: it stays in no history and no bookmark. */
export const takeCode = (): string | undefined => {
  const code = /^#code=([^&]+)/.exec(location.hash)?.[1]
  if (code === undefined) return undefined
  history.replaceState(null, "", "/#/")
  // which tells nobody by itself
  dispatchEvent(new HashChangeEvent("hashchange"))
  return code
}
