import { defaultPlatform, type Platform } from "../platform.ts"
import type { Heard } from "./answers.ts"
import type { Access } from "./Requests.ts"

/** Milliseconds until a lost stream is asked for again, at first and at most. */
const retryMillis = { first: 500, most: 10_000 }

export interface Listening {
  readonly onEvent: (event: Heard) => void
  /** Whether the stream is up, told at every change. */
  readonly onLive: (live: boolean) => void
  readonly signal: AbortSignal
  /** Whose events an operator hears. */
  readonly tenant?: string
  readonly platform?: Platform
}

/**
 * Everything that happens at a backend from now on, until `signal`. A stream that breaks off is resumed right behind the
 * last event. Ends by itself where the token does not hold any more.
 */
export const listen = async ({ fetch: fetching, token, url }: Access, { onEvent, onLive, platform = defaultPlatform, signal, tenant }: Listening): Promise<void> => {
  let last: string | undefined
  let wait = retryMillis.first
  while (!signal.aborted) {
    const response = await (fetching ?? platform.fetch)(`${url}/events?${new URLSearchParams({ from: last ?? "now", ...(tenant === undefined ? {} : { tenant }) })}`, {
      headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" }, signal, redirect: "error"
    }).catch(() => undefined)
    if (response?.status === 401 || response?.status === 403) return
    if (response?.ok === true && response.body !== null) {
      onLive(true)
      wait = retryMillis.first
      // a stream that breaks off is asked for again
      await readEvents(response.body, (field) => {
        if (field.id !== "") last = field.id
        const event = eventOf(field)
        if (event !== undefined) onEvent(event)
      }).catch(() => undefined)
    }
    onLive(false)
    await platform.sleep(wait, signal)
    wait = Math.min(wait * 2, retryMillis.most)
  }
}

interface Frame {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** Frames of Server-Sent Events, as this product sends them: one line per field. */
const readEvents = async (body: ReadableStream<Uint8Array>, onFrame: (frame: Frame) => void): Promise<void> => {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const frames = (text + decoder.decode(value, { stream: true })).split("\n\n")
    text = frames.pop()!
    for (const frame of frames) {
      const fieldOf = (name: string) => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? ""
      onFrame({ id: fieldOf("id"), event: fieldOf("event"), data: fieldOf("data") })
    }
  }
}

const eventOf = ({ data, event, id }: Frame): Heard | undefined => {
  if (data === "" || event === "problem") return undefined
  const { subject } = JSON.parse(data) as { readonly subject?: unknown }
  return { id, type: event, subject: typeof subject === "string" ? subject : "" }
}
