import { useSyncExternalStore } from "react"
import { takeCode } from "../navigation/route.ts"

/** A one-time code that came with the address; `nth`: the same once more is another try. */
export interface Arrival {
  readonly code: string | undefined
  readonly nth: number
}

/** What this page was opened by, or what its address was given last while it was open. */
let arrival: Arrival = { code: takeCode(), nth: 0 }

const onCode = (changed: () => void) => {
  const look = () => {
    const code = takeCode()
    if (code === undefined) return
    arrival = { code, nth: arrival.nth + 1 }
    changed()
  }
  addEventListener("hashchange", look)
  return () => removeEventListener("hashchange", look)
}

/** The code to be used once before anything else, if there is one. */
export const useCode = (): Arrival => useSyncExternalStore(onCode, () => arrival)
