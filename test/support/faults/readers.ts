import type { Backend } from "../world.ts"
import { isDeletable } from "./load.ts"
import type { Stage } from "./stage.ts"

/** People who look at every backend all the time, and remember what they saw. */
export interface Readers {
  /** What they saw that may not be: a message that went back to an older write, or was gone. */
  readonly wentBack: ReadonlyArray<string>
  readonly looks: () => number
  /** Its tables are made anew from nothing: what was seen there before says nothing. */
  readonly forget: (backend: Backend) => void
  readonly stop: () => Promise<void>
}

interface Told {
  readonly messages?: ReadonlyArray<{ readonly id: string; readonly version: number; readonly content: string }>
}

const everyMs = 120

export const startReaders = (stage: Stage): Readers => {
  const wentBack: Array<string> = []
  let seen = new Map<Backend, Map<string, { readonly version: number; readonly content: string }>>()
  let looks = 0
  let over = false

  const look = async (backend: Backend, conversation: string) => {
    const held = seen.get(backend)
    const memory = held ?? new Map()
    const answer = await backend.http<Told>("GET", `/conversations/${conversation}${backend.side === "hosted" ? `?tenant=${stage.tenant}` : ""}`).catch(() => undefined)
    if (answer?.status !== 200 || answer.json.messages === undefined) return
    // forgotten while we asked
    if (seen.get(backend) !== held) return
    seen.set(backend, memory)
    looks++
    const shown = new Map(answer.json.messages.map((message) => [message.id, message]))
    for (const { content, id, version } of shown.values()) {
      const before = memory.get(`${conversation}/${id}`)
      if (before !== undefined && version < before.version) wentBack.push(`${backend.name}: ${conversation}/${id} went from version ${before.version} (${before.content}) to ${version} (${content})`)
      memory.set(`${conversation}/${id}`, { version, content })
    }
    for (const [name, { version }] of memory) {
      const [place, id = ""] = name.split("/")
      if (place === conversation && !isDeletable(id) && !shown.has(id)) {
        wentBack.push(`${backend.name}: ${name}, seen at version ${version}, is gone`)
        memory.delete(name)
      }
    }
  }
  const watch = async (backend: Backend) => {
    for (let turn = 0; !over; turn++) {
      await new Promise((wait) => setTimeout(wait, everyMs))
      if (backend.running()) await Promise.race([look(backend, `c${turn % 4}`), new Promise((wait) => setTimeout(wait, 20_000))])
    }
  }
  const watchers = stage.all.map(watch)
  return {
    wentBack,
    looks: () => looks,
    forget: (backend) => void seen.delete(backend),
    stop: async () => {
      over = true
      await Promise.all(watchers)
      seen = new Map()
    }
  }
}
