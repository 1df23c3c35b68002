import type { random } from "../../property/projections/rig.ts"
import type { Backend } from "../world.ts"
import type { Stage } from "./stage.ts"

export type Dice = ReturnType<typeof random>

/** A write that was answered with success: it may never be lost. */
export interface Acknowledged {
  readonly eventId: string
  readonly by: string
  readonly content: string
}

/** Everybody writes all the time: new messages, edits of anybody's, titles, deletions. */
export interface Load {
  readonly acknowledged: ReadonlyArray<Acknowledged>
  readonly tried: () => number
  /** Writes that were not answered with success: what became of them is unknown. */
  readonly failed: () => number
  /** What they were answered instead, and how many: a status and its problem's type, or that the connection broke. */
  readonly failedAs: () => Readonly<Record<string, number>>
  /** The longest a write that succeeded took, milliseconds. */
  readonly slowest: () => number
  /** Nobody writes at this backend until `resume`; returns once what was under way there has been answered. */
  readonly hold: (backend: Backend) => Promise<void>
  readonly resume: (backend: Backend) => void
  /** No more writes. Returns once the last was answered. */
  readonly stop: () => Promise<void>
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly eventId: string | undefined
}

const conversations = 4
/** Patience with one write; a frozen process answers when it goes on. */
const answerWithinMs = 20_000

/** A message that only ever gets edited. Those named with a `d` in front may be deleted. */
export const isDeletable = (message: string): boolean => message.startsWith("d")

/** `conversationOf`: where the n-th write goes that begins something new. Without it a few conversations hold all. */
export const startLoad = (stage: Stage, dice: Dice, pauseMs: number, conversationOf = (_n: number): string => `c${dice.below(conversations)}`): Load => {
  const acknowledged: Array<Acknowledged> = []
  const messages: Array<readonly [conversation: string, id: string]> = []
  const held = new Set<Backend>()
  const busy = new Map<Backend, Promise<void>>()
  let tried = 0
  const failedAs = new Map<string, number>()
  const failed = () => [...failedAs.values()].reduce((sum, count) => sum + count, 0)
  let slowest = 0
  let over = false

  const one = async (backend: Backend) => {
    const conversation = conversationOf(tried)
    const content = `write ${tried++} of ${backend.name}`
    const chance = dice.below(100)
    const known = messages.length === 0 || chance < 55 ? undefined : dice.pick(messages)
    const began = performance.now()
    const send = (method: string, path: string, body?: unknown) => ask(stage, backend, method, path, body)
    const answer = known === undefined
      ? await (async () => {
        const id = `${chance % 5 === 0 ? "d" : "m"}-${backend.name}-${tried}`
        const told = await send("POST", `/conversations/${conversation}/messages`, { id, role: "user", content })
        if (told.status === 201) messages.push([conversation, id])
        return told
      })()
      : chance < 90 || !isDeletable(known[1])
      ? await send("PUT", `/conversations/${known[0]}/messages/${known[1]}`, { content })
      : await send("DELETE", `/conversations/${known[0]}/messages/${known[1]}`)
    const deleted = known !== undefined && chance >= 90 && isDeletable(known[1])
    if (answer.status >= 200 && answer.status < 300 && answer.eventId !== undefined) {
      acknowledged.push({ eventId: answer.eventId, by: backend.name, content: deleted ? "" : content })
      slowest = Math.max(slowest, performance.now() - began)
    // a token made by a right clock does not hold where the clock is wrong
    } else if (answer.status === 0 || answer.status >= 500 || answer.status === 429 && stage.isTight || answer.status === 401 && stage.isClockOff(backend)) {
      const as = `${backend.name}: ${answer.status === 0 ? "no answer" : `${answer.status} ${/"type":"([^"]+)"/.exec(answer.text)?.[1] ?? ""}`}`
      failedAs.set(as, (failedAs.get(as) ?? 0) + 1)
    } else if (answer.status !== 404) stage.surprises.push(`${backend.name} refused a write: ${answer.status} ${answer.text.slice(0, 300)}`)
  }

  const write = async (backend: Backend) => {
    while (!over) {
      await new Promise((wait) => setTimeout(wait, pauseMs * (0.5 + dice.below(100) / 100)))
      if (held.has(backend) || over) continue
      // a process that is down answers nobody
      if (!backend.running()) continue
      const answered = Promise.race([one(backend), new Promise<void>((wait) => setTimeout(wait, answerWithinMs))])
      busy.set(backend, answered)
      await answered
    }
  }
  const writers = stage.all.map(write)
  return {
    acknowledged,
    tried: () => tried,
    failed,
    failedAs: () => Object.fromEntries(failedAs),
    slowest: () => slowest,
    hold: async (backend) => {
      held.add(backend)
      await busy.get(backend)
    },
    resume: (backend) => void held.delete(backend),
    stop: async () => {
      over = true
      await Promise.all(writers)
    }
  }
}

const ask = async (stage: Stage, backend: Backend, method: string, path: string, body: unknown): Promise<Answer> => {
  try {
    const response = await fetch(backend.url() + path, {
      method,
      headers: { authorization: `Bearer ${stage.bearerFor(backend)}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, text, eventId: response.ok ? (JSON.parse(text) as { readonly event_id?: string }).event_id : undefined }
  } catch {
    return { status: 0, text: "", eventId: undefined }
  }
}
