/** What the SDK asks of where it runs: time, chance, waiting, the network. Every part can be given; this file has the defaults. */
export interface Platform {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  /** Resolves after so many milliseconds, or at once when aborted. */
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>
  readonly fetch: typeof fetch
}

export const defaultPlatform: Platform = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (millis, signal) =>
    new Promise((done) => {
      if (signal.aborted) return done()
      const timer = setTimeout(end, millis)
      signal.addEventListener("abort", end, { once: true })
      function end() {
        clearTimeout(timer)
        signal.removeEventListener("abort", end)
        done()
      }
    }),
  fetch: (...request) => globalThis.fetch(...request)
}
