import { jsonOf, request } from "./http.ts"
import type { Platform } from "./platform.ts"
import { MaestraError, problemOf } from "./problems.ts"
import { readSent } from "./serverSentEvents.ts"
import { pauseAfter } from "./syncLoop.ts"

/** A CloudEvent with its data opened, as `GET /events` tells it. */
export interface LogEvent {
  readonly id: string
  readonly type: string
  readonly source: string
  readonly time: string
  readonly subject: string
  readonly lamport: number
  readonly surface: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface Subscription {
  /** `start`, `now` (the default), an ISO time, or the cursor of an event heard before. */
  readonly from?: string
  /** One conversation only. */
  readonly subject?: string
  /** One at a time, in order: the next event waits until this one's promise is done. `cursor` resumes right behind it. */
  readonly onEvent: (event: LogEvent, cursor: string) => void | Promise<void>
  /** Told when the stream opens (`undefined`), and why it is not open. Kind `refused`: it has ended for good; else it comes back by itself. */
  readonly onState?: (problem: MaestraError | undefined) => void
}

/** A backend's event stream, as `subscribe` reaches it. */
export interface EventSource {
  readonly platform: Platform
  readonly url: string
  readonly bearer: () => Promise<string>
  /** More of the query: the tenant an operator reads. */
  readonly query?: Readonly<Record<string, string>>
}

/** A living stream says so every 15 s; after this long in silence the connection is taken for dead. Milliseconds. */
const silenceMaxMillis = 45_000
/** Ids of events told lately: after a reconnection one may come twice. */
const toldMax = 1000

/** Hear what happens, from a place on, over every interruption: each event once. Returns how to stop. */
export const subscribeTo = (source: EventSource, subscription: Subscription): () => void => {
  const ended = new AbortController()
  void follow(source, subscription, ended.signal)
  return () => ended.abort()
}

/** The same, until `signal`. */
export const follow = async (source: EventSource, { from = "now", onEvent, onState = () => undefined, subject }: Subscription, signal: AbortSignal): Promise<void> => {
  const { platform } = source
  const told = new Set<string>()
  let cursor = ""
  const hear = async (id: string, data: string) => {
    cursor = id
    const event = jsonOf(data) as LogEvent | undefined
    if (event === undefined || told.has(event.id)) return
    told.add(event.id)
    if (told.size > toldMax) told.delete(told.values().next().value!)
    try {
      await onEvent(event, id)
    } catch (cause) {
      throw new MaestraError("refused", `a listener failed: ${String(cause)}`, { hint: "Mend the listener; subscribe again from this event's cursor." })
    }
  }
  for (let tries = 0; !signal.aborted;) {
    try {
      const connection = new AbortController()
      const body = await open(source, { from, subject, cursor }, AbortSignal.any([signal, connection.signal]))
      onState(undefined)
      tries = 0
      for await (const { data, event, id } of livingOnly(platform, readSent(body), () => connection.abort())) {
        if (signal.aborted) return
        if (event === "problem") throw problemOf(jsonOf(data))
        if (data === "") cursor = id === "" ? cursor : id
        else await hear(id, data)
      }
      // an end that nobody explained: the backend stops, or a proxy did not wait
      throw new MaestraError("unreachable", "the event stream ended", { hint: "It is opened again by itself." })
    } catch (cause) {
      if (signal.aborted) return
      const problem = cause instanceof MaestraError ? cause : new MaestraError("unreachable", "the event stream broke off", { hint: "It is opened again by itself." })
      onState(problem)
      if (problem.kind === "refused") return
      await platform.sleep(Math.max(problem.retryMillis, pauseAfter(tries++, platform.random())), signal)
    }
  }
}

const open = async ({ bearer, platform, query = {}, url }: EventSource, at: { readonly from: string; readonly subject: string | undefined; readonly cursor: string }, signal: AbortSignal) => {
  const asked = new URLSearchParams({ ...query, from: at.from, ...(at.subject === undefined ? {} : { subject: at.subject }) })
  const { body } = await request(platform.fetch, `${url}/events?${asked}`, {
    method: "GET", bearer: await bearer(), signal, ...(at.cursor === "" ? {} : { headers: { "last-event-id": at.cursor } })
  })
  if (body === null) throw new MaestraError("refused", "this platform's fetch does not stream", { hint: "Give one that does as runtime.fetch." })
  return body
}

/** Passes on what comes, and cuts the connection where nothing does for too long: a laptop that slept hears no end of it. */
async function* livingOnly<A>(platform: Platform, values: AsyncGenerator<A>, cut: () => void): AsyncGenerator<A> {
  for (;;) {
    const awake = new AbortController()
    void platform.sleep(silenceMaxMillis, awake.signal).then(() => awake.signal.aborted ? undefined : cut())
    const next = await values.next().finally(() => awake.abort())
    if (next.done === true) return
    yield next.value
  }
}
