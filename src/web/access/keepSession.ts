import { pause } from "../live/time.ts"
import { enter } from "./session.ts"

/** A session is renewed this often while its page is open; it lives for eight hours. */
const renewEveryMillis = 60 * 60 * 1000

/** A page that stays open stays in. Where it was a token that let it in, this makes it a session. */
export const keepSession = async (renew: () => Promise<{ readonly token: string }>, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    await pause(renewEveryMillis, signal)
    if (signal.aborted) return
    // whoever locks the page meanwhile is not let in again
    await renew().then(({ token }) => signal.aborted ? undefined : enter(token), () => undefined)
  }
}
