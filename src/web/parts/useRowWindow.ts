import { type RefObject, useLayoutEffect, useState } from "react"
import { type Run, stepPixels, windowOf } from "./rows.ts"

/** Before it was measured, pixels. */
const heightGuess = 800

/** Which rows are in the page, as the reader scrolls. Costs the same however long the list is. */
export const useRowWindow = (scroller: RefObject<HTMLElement | null>, runs: ReadonlyArray<Run>): readonly [from: number, to: number] => {
  const [seen, setSeen] = useState({ place: 0, height: heightGuess })
  useLayoutEffect(() => {
    const element = scroller.current
    if (element === null) return
    const look = () => {
      const place = Math.floor(element.scrollTop / stepPixels) * stepPixels
      const height = element.clientHeight
      setSeen((before) => before.place === place && before.height === height ? before : { place, height })
    }
    look()
    const sizes = new ResizeObserver(look)
    sizes.observe(element)
    element.addEventListener("scroll", look, { passive: true })
    return () => {
      sizes.disconnect()
      element.removeEventListener("scroll", look)
    }
  }, [scroller])
  return windowOf(runs, seen.place, seen.height)
}
