import { useNow } from "../live/time.ts"

/** How long something has waited by now: `seconds` when it was asked, and the time since then, which nobody has to be asked for. */
export const Lag = ({ askedAt, seconds }: { readonly seconds: number; readonly askedAt: number }) => {
  const now = useNow()
  return <>{spanOf(seconds === 0 ? 0 : seconds + Math.max(0, now - askedAt) / 1000)}</>
}

/** As a person would say it: `0 s`, `90 s`, `12 min`, `5 h`, `3 days`. */
const spanOf = (seconds: number): string =>
  seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
