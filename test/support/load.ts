import { existsSync, readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { agreed, type Backend, type Digest, until } from "./world.ts"

const file = new URL("../../../shared/data/conv/taskmaster4.jsonl.gz", import.meta.url)

/** A conversation in the import format, and how many messages it has. */
export interface Line {
  readonly text: string
  readonly messages: number
}

/** `count` conversations from `from` on: taskmaster4's, or made ones where the data is missing. */
export const conversations = (from: number, count: number): ReadonlyArray<Line> => existsSync(file) ? fromFile().slice(from, from + count) : made(from, count)

let loaded: ReadonlyArray<Line> | undefined
const fromFile = () => loaded ??= gunzipSync(readFileSync(file)).toString().trim().split("\n").map((text) => ({ text, messages: (JSON.parse(text) as { messages: Array<unknown> }).messages.length }))

export const made = (from: number, count: number): ReadonlyArray<Line> =>
  Array.from({ length: count }, (_, i) => {
    const messages = Array.from({ length: 4 }, (_, m) => ({ id: `m${m}`, role: m % 2 === 0 ? "user" : "assistant", content: `message ${m} of conversation ${from + i}` }))
    return { text: JSON.stringify({ conversation_id: `made-${from + i}`, messages }), messages: messages.length }
  })

export const messagesOf = (lines: ReadonlyArray<Line>): number => lines.reduce((sum, { messages }) => sum + messages, 0)

export interface Load {
  /** Everything is acknowledged. */
  readonly done: Promise<void>
  /** The lines whose import was answered with success so far. */
  readonly acknowledged: () => ReadonlyArray<Line>
}

/** Import in small requests, one after the other. A request that fails is sent again, as a person would. */
export const importing = (backend: Backend, lines: ReadonlyArray<Line>, perRequest = 20): Load => {
  const acknowledged: Array<Line> = []
  const one = async (part: ReadonlyArray<Line>) => {
    await until(async () => {
      const answer = await backend.http("POST", "/import", part.map(({ text }) => text).join("\n")).catch(() => undefined)
      if (answer !== undefined && answer.status >= 400 && answer.status < 500 && answer.status !== 429) throw new Error(`import: ${answer.status} ${answer.text}`)
      if (answer?.status === 200 && answer.json.invalid.length > 0) throw new Error(`import: ${answer.text}`)
      return answer?.status === 200
    }, 60_000, () => `import into ${backend.name} does not succeed:\n${backend.log().slice(-3000)}`)
    acknowledged.push(...part)
  }
  const all = async () => {
    for (let at = 0; at < lines.length; at += perRequest) await one(lines.slice(at, at + perRequest))
  }
  return { done: all(), acknowledged: () => acknowledged }
}

/** Import all, and wait for the answers. */
export const imported = (backend: Backend, lines: ReadonlyArray<Line>): Promise<void> => importing(backend, lines).done

export interface Verified {
  readonly ok: boolean
  readonly commits: number
  readonly events: number
  readonly problem_count: number
  readonly problems: ReadonlyArray<unknown>
}

/** What `verify` finds. */
export const verified = async (backend: Backend, tenant: string): Promise<Verified> => {
  const answer = await backend.http("POST", backend.side === "hosted" ? `/verify?tenant=${tenant}` : "/verify")
  return JSON.parse(answer.text.trim().split("\n").at(-1)!).result
}

export interface LogEvent {
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly source: string
  readonly lamport: number
  readonly data: { readonly message_id?: string; readonly content?: string }
}

/** The first `count` events of the hosted log, in order. Read as any tool does: the event stream from its start. */
export const eventsOf = async (hosted: Backend, tenant: string, count: number, withinMs = 30_000): Promise<ReadonlyArray<LogEvent>> => {
  const token = readFileSync(`${hosted.dir}/admin-token`, "utf8").trim()
  const response = await fetch(`${hosted.url()}/events?from=start&tenant=${tenant}`, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(withinMs) })
  const events: Array<LogEvent> = []
  let text = ""
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const frames = text.split("\n\n")
    text = frames.pop()!
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)
      if (data === null) continue
      events.push(JSON.parse(data[1]!))
      if (events.length === count) return events
    }
  }
  throw new Error(`the event stream ended after ${events.length} events`)
}

/** Those among them that are there more than once: by event id, and by message where it was written once only. */
export const doubled = (events: ReadonlyArray<LogEvent>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  return events.flatMap(({ data, id, subject, type }) => {
    const names = type === "message.appended" ? [id, `${subject}/${data.message_id}`] : [id]
    const again = names.filter((name) => seen.has(name))
    for (const name of names) seen.add(name)
    return again
  })
}

export interface Whole extends Digest {
  /** Messages in the log, whatever the tables show. */
  readonly appended: number
  readonly problems: ReadonlyArray<unknown>
  readonly doubled: ReadonlyArray<string>
}

/**
 * Wait until all show the same and hold the same log in the same epoch, then look at what must be true whatever
 * happened before. Tables may agree while a log or a mirror is not yet whole, so the logs are read too.
 */
export const whole = async (tenant: string, hosted: Backend, locals: ReadonlyArray<Backend>, withinMs = 60_000): Promise<Whole> => {
  const all = [hosted, ...locals]
  const logs = () => all.map((one) => `--- ${one.name}\n${one.log().slice(-1500)}`).join("\n")
  let seen = ""
  let digest: Digest | undefined
  let found: ReadonlyArray<Verified> = []
  await until(async () => {
    digest = await agreed(tenant, hosted, locals, withinMs).catch((error: Error) => { throw new Error(`${error.message}\n${logs()}`) })
    const epochs = await Promise.all(all.map(async (one): Promise<number> => (await one.http("GET", "/status")).json.log_epoch))
    found = await Promise.all(all.map((one) => verified(one, tenant)))
    seen = JSON.stringify({ epochs, found })
    return new Set(epochs).size === 1 && new Set(found.map(({ events }) => events)).size === 1
  }, withinMs, () => `the logs are not the same: ${seen}\n${logs()}`)
  const events = await eventsOf(hosted, tenant, found[0]!.events)
  return {
    ...digest!,
    appended: new Set(events.filter(({ type }) => type === "message.appended").map(({ data, subject }) => `${subject}/${data.message_id}`)).size,
    problems: found.flatMap(({ problems }) => problems),
    doubled: doubled(events)
  }
}
