import { useSyncExternalStore } from "react"
import { takeCode } from "../navigation/route.ts"

/** The code this page was opened by, or the last one its address was given while it was open. */
let code = takeCode()

const onCode = (changed: () => void) => {
  const look = () => {
    const given = takeCode()
    if (given === undefined) return
    code = given
    changed()
  }
  addEventListener("hashchange", look)
  return () => removeEventListener("hashchange", look)
}

/** A one-time code, to be used once before anything else. */
export const useCode = (): string | undefined => useSyncExternalStore(onCode, () => code)
