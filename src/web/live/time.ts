import { useSyncExternalStore } from "react"
import { defaultPlatform } from "../../sdk/typescript/platform.ts"

/** Waiting that ends with its signal. */
export const pause = (millis: number, signal: AbortSignal): Promise<void> => defaultPlatform.sleep(millis, signal)

export const nowMillis = (): number => defaultPlatform.now()

/** How often what is said about the past is said anew, milliseconds. */
const tickMillis = 15_000
let tick = nowMillis()

const listeners = new Set<() => void>()

/** One clock for everything on screen: a long list comes and goes with every scroll. It runs from the first listener on. */
const onTick = (changed: () => void) => {
  listeners.add(changed)
  if (!ticks) void keepTicking()
  return () => listeners.delete(changed)
}

let ticks = false
const keepTicking = async () => {
  ticks = true
  for (;;) {
    await pause(tickMillis, never)
    tick = nowMillis()
    for (const changed of listeners) changed()
  }
}
const never = new AbortController().signal

/** Now, a few times a minute. */
export const useNow = (): number => useSyncExternalStore(onTick, () => tick)

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" })
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" })
const dayOfYear = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" })
const whole = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" })

const clock = new Intl.DateTimeFormat("en", { timeStyle: "medium" })

const minute = 60_000
const hour = 60 * minute

/** As a person would say it: `now`, `5 min. ago`, `3 hr. ago`, `12 Nov`. */
export const agoOf = (iso: string, now: number): string => {
  const millis = Date.parse(iso)
  if (!Number.isFinite(millis)) return ""
  const past = now - millis
  if (past < minute) return past < -minute ? dayOfYear.format(millis) : "just now"
  if (past < hour) return relative.format(-Math.floor(past / minute), "minute")
  if (past < 24 * hour) return relative.format(-Math.floor(past / hour), "hour")
  if (past < 7 * 24 * hour) return relative.format(-Math.floor(past / (24 * hour)), "day")
  return (past < 300 * 24 * hour ? day : dayOfYear).format(millis)
}

/** The hour of a moment not long ago, in the reader's zone. */
export const timeOfDay = (iso: string): string => clock.format(Date.parse(iso))

/** The exact time, in the reader's zone. */
export const wholeTime = (iso: string): string => {
  const millis = Date.parse(iso)
  return Number.isFinite(millis) ? whole.format(millis) : iso
}
