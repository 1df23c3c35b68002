import { agoOf, useNow, wholeTime } from "../live/time.ts"

/** A time in the past in a few words; the exact one on hover. */
export const Ago = ({ at }: { readonly at: string }) => <time dateTime={at} title={wholeTime(at)}>{agoOf(at, useNow())}</time>
