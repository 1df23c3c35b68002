/** What the SDK asks of where it runs: time, chance, waiting, the network. Every part can be given; this file has the defaults. */
export interface Platform {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  /** Resolves after so many milliseconds, or at once when aborted. */
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>
  readonly fetch: typeof fetch
  /** Open a WebSocket. `closed` is told once, also where it never opened. */
  readonly connect: (url: string, on: Heard) => Connection
}

export interface Heard {
  readonly open: () => void
  readonly message: (text: string) => void
  readonly closed: () => void
}

export interface Connection {
  readonly send: (text: string) => void
  readonly close: () => void
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
  fetch: (...request) => globalThis.fetch(...request),
  connect: (url, on) => {
    const socket = new globalThis.WebSocket(url)
    socket.onopen = on.open
    socket.onmessage = ({ data }) => on.message(String(data))
    socket.onclose = on.closed
    return { send: (text) => socket.send(text), close: () => socket.close() }
  }
}

export { isoTime } from "../../../streams/time.ts"
