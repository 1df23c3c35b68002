import { defaultPlatform, type Platform } from "../platform.ts"
import { follow } from "../subscribe.ts"
import type { Heard } from "./answers.ts"
import type { Access } from "./Requests.ts"

export interface Listening {
  readonly onEvent: (event: Heard) => void
  /** Whether the stream is up, told at every change. */
  readonly onLive: (live: boolean) => void
  readonly signal: AbortSignal
  /** Where to begin: `now`, `start`, a time, or the id of an event heard before. */
  readonly from?: string
  /** Whose events an operator hears. */
  readonly tenant?: string
  readonly platform?: Platform
}

/**
 * Everything that happens at a backend, until `signal`, each event once. A stream that breaks off or falls silent is resumed
 * right behind the last event. Ends by itself where the token does not hold any more.
 */
export const listen = (access: Access, { from, onEvent, onLive, platform = defaultPlatform, signal, tenant }: Listening): Promise<void> => {
  const { fetch: fetching, url } = access
  let live = false
  const turn = (up: boolean) => {
    if (up !== live) onLive(up)
    live = up
  }
  return follow({ platform: fetching === undefined ? platform : { ...platform, fetch: fetching }, url, bearer: async () => access.token, ...(tenant === undefined ? {} : { query: { tenant } }) }, {
    ...(from === undefined ? {} : { from }),
    onEvent: ({ subject, type }, id) => onEvent({ id, type, subject }),
    onState: (problem) => turn(problem === undefined)
  }, signal).finally(() => turn(false))
}
