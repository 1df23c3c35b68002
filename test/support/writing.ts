import { type Backend, until } from "./world.ts"

/** A message whose write was answered with success: it must be there for good. */
export interface Acknowledged {
  readonly conversation: string
  readonly id: string
  readonly content: string
}

export interface Writing {
  readonly acknowledged: ReadonlyArray<Acknowledged>
  /** Milliseconds: the longest a write waited for its answer, and the longest between two commits acknowledged by hosted. */
  readonly longest: { answer: number; commit: number }
  /** The longest since this was asked before. */
  readonly lap: () => { readonly answer: number; readonly commit: number }
  /** How often hosted has said that a write of this local is committed. */
  readonly commits: () => number
  /** Ends when what was begun is answered. */
  readonly stop: () => Promise<void>
}

const pauseMillis = 100
const conversationsEach = 5
/** Loads begun so far: each writes messages of its own. */
let begun = 0

/**
 * Write into a local without end: one message after the other as a person would, and beside them one after the other
 * that waits until hosted has committed it. A write that is refused is sent again with the same id.
 */
export const writing = (local: Backend): Writing => {
  const acknowledged: Array<Acknowledged> = []
  const longest = { answer: 0, commit: 0 }
  let lap = { answer: 0, commit: 0 }
  const took = (what: "answer" | "commit", millis: number) => {
    longest[what] = Math.max(longest[what], millis)
    lap[what] = Math.max(lap[what], millis)
  }
  const load = begun++
  let stopped = false
  let commits = 0
  const send = async (kind: string, n: number, query: string) => {
    const message = { conversation: `${local.name}-${kind}-${n % conversationsEach}`, id: `m${load}-${n}`, content: `${kind} ${n} of ${local.name}` }
    const path = `/conversations/${message.conversation}/messages${query}`
    let reached = ""
    await until(async () => {
      const answer = await local.http("POST", path, { id: message.id, role: "user", content: message.content }).catch(() => undefined)
      if (answer?.status === 409) return true
      if (answer === undefined || answer.status >= 500 || answer.status === 429) return false
      if (answer.status !== 201) throw new Error(`${local.name}: ${answer.status} ${answer.text}`)
      reached = answer.json.reached.tier
      return true
    }, 60_000, () => `${local.name} takes no writes:\n${local.log().slice(-3000)}`)
    acknowledged.push(message)
    return reached
  }
  const quickly = async () => {
    for (let n = 0; !stopped; n++) {
      const began = performance.now()
      await send("quick", n, "")
      took("answer", performance.now() - began)
      await new Promise((wait) => setTimeout(wait, pauseMillis))
    }
  }
  const waiting = async () => {
    let last = performance.now()
    for (let n = 0; !stopped; n++) {
      const reached = await send("waiting", n, "?wait=hosted&timeout_ms=20000")
      if (reached === "local") continue
      commits++
      took("commit", performance.now() - last)
      last = performance.now()
    }
  }
  const both = Promise.all([quickly(), waiting()])
  return {
    acknowledged,
    longest,
    commits: () => commits,
    lap: () => {
      const ended = lap
      lap = { answer: 0, commit: 0 }
      return ended
    },
    stop: async () => {
      stopped = true
      await both
    }
  }
}

/** Those of the acknowledged messages that a backend does not show as they were written. */
export const missing = async (backend: Backend, tenant: string, acknowledged: ReadonlyArray<Acknowledged>): Promise<ReadonlyArray<Acknowledged>> => {
  const lost: Array<Acknowledged> = []
  for (const [conversation, written] of Map.groupBy(acknowledged, ({ conversation }) => conversation)) {
    const answer = await backend.http("GET", `/conversations/${conversation}${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)
    const shown = new Map((answer.status === 200 ? answer.json.messages : []).map(({ content, id }) => [id, content]))
    lost.push(...written.filter(({ content, id }) => shown.get(id) !== content))
  }
  return lost
}
