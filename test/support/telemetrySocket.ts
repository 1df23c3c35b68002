/** A WebSocket client that remembers all it heard. */
export interface TelemetrySocket {
  readonly protocol: string
  readonly send: (frame: string | Uint8Array<ArrayBuffer> | object) => void
  /** The next answers, as many as asked for, in order. */
  readonly next: (count: number) => Promise<ReadonlyArray<Answered>>
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  readonly close: () => void
}

export interface Answered {
  readonly status: "acked" | "rejected"
  readonly event_id: string
  readonly error?: string
  readonly retry_after_ms?: number
}

/** Connect, or fail with the status the server refused with. */
export const openTelemetry = (url: string, options: { readonly protocols?: ReadonlyArray<string>; readonly headers?: Readonly<Record<string, string>> } = {}): Promise<TelemetrySocket> =>
  new Promise((resolve, reject) => {
    // the second form is Node's own: browsers cannot set headers
    const socket = new WebSocket(url.replace(/^http/, "ws"), { protocols: [...options.protocols ?? []], headers: { ...options.headers } })
    const heard: Array<Answered> = []
    let waiting: (() => void) | undefined
    let isOver = false
    socket.onmessage = ({ data }) => {
      heard.push(JSON.parse(String(data)) as Answered)
      waiting?.()
    }
    const closed = new Promise<{ readonly code: number; readonly reason: string }>((over) => {
      socket.onclose = ({ code, reason }) => {
        isOver = true
        waiting?.()
        over({ code, reason })
      }
    })
    socket.onerror = () => reject(new Error("refused"))
    socket.onopen = () =>
      resolve({
        protocol: socket.protocol,
        send: (frame) => socket.send(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame)),
        next: async (count) => {
          while (heard.length < count && !isOver) await new Promise<void>((more) => { waiting = more })
          return heard.splice(0, count)
        },
        closed,
        close: () => socket.close(1000)
      })
  })

/** A well-formed event, but for what is changed. */
export const event = (event_id: string, otherwise: Readonly<Record<string, unknown>> = {}) => ({
  event_id, event_type: "capture", session_id: "s", timestamp: "2026-11-22T10:00:00.000Z", source_backend: "ios_local", metadata: {}, ...otherwise
})
