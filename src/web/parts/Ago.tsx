import { agoOf, useNow, wholeTime } from "../live/time.ts"

/** A time in the past in a few words; the exact one on hover. */
export const Ago = ({ at }: { readonly at: string }) => <AgoAt at={at} now={useNow()} />

/** The same where many of them have one clock. */
export const AgoAt = ({ at, className, now }: { readonly at: string; readonly now: number; readonly className?: string | undefined }) => <time className={className} dateTime={at} title={wholeTime(at)}>{agoOf(at, now)}</time>
