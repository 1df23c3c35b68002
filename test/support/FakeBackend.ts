import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/**
 * A backend as the command line meets it: the HTTP contract over a map in memory. Nothing is signed, synced or
 * stored; it answers with the shapes of the contract, refuses as it is told to, and remembers what was asked.
 */
export interface FakeBackend {
  readonly url: string
  readonly token: string
  /** What was asked, in order. */
  readonly requests: ReadonlyArray<Asked>
  /** Answer this way instead, until `stop`. */
  readonly instead: (method: string, path: RegExp, handler: Handler) => void
  /** Send an event to every open stream. */
  readonly emit: (event: { readonly type: string; readonly content: string }) => void
  /** Open event streams. */
  readonly streams: () => number
  /** Cut every event stream in the middle, as a proxy or a sleeping laptop does. */
  readonly cutStreams: () => void
  readonly stop: () => Promise<void>
}

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

export type Handler = (asked: Asked, response: ServerResponse) => void

interface FakeMessage {
  readonly id: string
  readonly role: string
  readonly content: string
}

const time = "2026-11-22T10:00:00.000Z"
const stamp = { lamport: 7, time, source: `local_sha256_${"a".repeat(64)}` }
export const fakeToken = "secret-token-of-the-fake"

export const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" }).end(JSON.stringify(body))
}

export const problem = (status: number, name: string, detail: string, hint: string): Handler => (_, response) =>
  json(response, status, { type: `urn:maestra:problem:${name}`, title: detail, status, detail, hint })

export interface FakeOptions {
  /** Where `runtime.json` and the token are left, as `up` would: in `<dataDir>/<side>/`. Nowhere without it. */
  readonly dataDir?: string
  readonly side?: "local" | "hosted"
  /** 0 or absent: any free one. */
  readonly port?: number
  readonly token?: string
}

export const startFakeBackend = async ({ dataDir, port = 0, side = "local", token = fakeToken }: FakeOptions): Promise<FakeBackend> => {
  const requests: Array<Asked> = []
  const overrides: Array<readonly [string, RegExp, Handler]> = []
  const conversations = new Map<string, Array<FakeMessage>>()
  const events: Array<string> = []
  const streams = new Set<ServerResponse>()
  const routes = [...conversationRoutes(conversations), ...wholeRoutes(conversations), ...controlRoutes, streamRoute(events, streams)]

  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://fake")
      const asked: Asked = {
        method: request.method ?? "",
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8")
      }
      requests.push(asked)
      if (request.headers.authorization !== `Bearer ${token}` && url.pathname !== "/health") {
        return problem(401, "unauthorized", "The Authorization header holds no token that is valid here.", "Send the token.")(asked, response)
      }
      const route = [...overrides].reverse().concat(routes).find(([method, path]) => method === asked.method && path.test(asked.path))
      if (route === undefined) return problem(404, "no-such-endpoint", "No endpoint has this method and path.", "See /docs.")(asked, response)
      route[2](asked, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
  if (dataDir !== undefined) leaveTraces(join(dataDir, side), side, url, process.pid)

  return {
    url,
    token,
    requests,
    instead: (method, path, handler) => overrides.push([method, path, handler]),
    emit: ({ type, content }) => {
      const id = String(events.length + 1)
      const data = JSON.stringify({ specversion: "1.0", id: `e${id}`, type, time, subject: "groceries", data: { content } })
      events.push(`id: ${id}\nevent: ${type}\ndata: ${data}\n\n`)
      for (const stream of streams) stream.write(events.at(-1))
    },
    streams: () => streams.size,
    cutStreams: () => {
      // what was said before is still heard
      for (const stream of streams) stream.end(() => stream.destroy())
      streams.clear()
    },
    stop: async () => {
      for (const stream of streams) stream.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** What `up` leaves for other commands. */
export const leaveTraces = (folder: string, side: "local" | "hosted", url: string, pid: number): void => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "runtime.json"), JSON.stringify({ pid, url, started_at: time }), { mode: 0o600 })
  const token = join(folder, side === "local" ? "token" : "admin-token")
  writeFileSync(token, `${fakeToken}\n`)
  chmodSync(token, 0o600)
}

type Route = readonly [string, RegExp, Handler]

const ids = (path: string): ReadonlyArray<string> => path.split("/").map(decodeURIComponent)

const written = (conversation: string, message: FakeMessage) => ({
  conversation_id: conversation,
  message: shown(message),
  event_id: "event-1",
  stamp,
  reached: { tier: "local", missing: [] }
})

const shown = (message: FakeMessage) => ({ ...message, timestamp: time, surface: "cli", source_backend: "local", version: 7, tier: "local" })

const conversationRoutes = (conversations: Map<string, Array<FakeMessage>>): ReadonlyArray<Route> => [
  ["GET", /^\/conversations$/, (asked, response) => {
    const all = [...conversations].map(([conversation_id, messages]) => ({
      conversation_id, title: null, version: 7, message_count: messages.length, last_modified: time, source_backend: "local", surfaces: ["cli"]
    }))
    const limit = Number(asked.query["limit"])
    json(response, 200, { conversations: all.slice(0, limit), next_cursor: all.length > limit ? "next" : null })
  }],
  ["GET", /^\/conversations\/[^/]+$/, (asked, response) => {
    const [, , conversation = ""] = ids(asked.path)
    const messages = conversations.get(conversation)
    if (messages === undefined) return problem(404, "conversation-not-found", `There is no conversation "${conversation}".`, "See `maestra list`.")(asked, response)
    json(response, 200, { conversation_id: conversation, title: null, version: 7, messages: messages.map(shown), surfaces: ["cli"], last_modified: time, source_backend: "local" })
  }],
  ["POST", /^\/conversations\/[^/]+\/messages$/, (asked, response) => {
    const [, , conversation = ""] = ids(asked.path)
    const { id, role, content } = JSON.parse(asked.body)
    const messages = conversations.get(conversation) ?? []
    const message = { id: id ?? `m${messages.length + 1}`, role, content }
    conversations.set(conversation, [...messages, message])
    json(response, 201, written(conversation, message))
  }],
  ["PUT", /^\/conversations\/[^/]+\/messages\/[^/]+$/, (asked, response) => {
    const [, , conversation = "", , id = ""] = ids(asked.path)
    const message = { id, role: "user", content: JSON.parse(asked.body).content }
    conversations.set(conversation, (conversations.get(conversation) ?? []).map((each) => each.id === id ? message : each))
    json(response, 200, written(conversation, message))
  }],
  ["DELETE", /^\/conversations\/[^/]+(\/messages\/[^/]+)?$/, (asked, response) => {
    const [, , conversation = "", , id] = ids(asked.path)
    if (id === undefined) conversations.delete(conversation)
    else conversations.set(conversation, (conversations.get(conversation) ?? []).filter((each) => each.id !== id))
    json(response, 200, { conversation_id: conversation, event_id: "event-2", stamp, reached: { tier: "local", missing: [] } })
  }],
  ["GET", /\/history$/, (_, response) => json(response, 200, { writes: [write("event-2", "buy oat milk", true), write("event-1", "buy milk", false)] })],
  ["POST", /\/restore$/, (asked, response) => {
    const [, , conversation = "", , id = ""] = ids(asked.path)
    json(response, 200, written(conversation, { id, role: "user", content: "buy milk" }))
  }]
]

export const write = (event_id: string, content: string, current: boolean) => ({
  event_id, stamp, type: "message.edited", role: "user", content, surface: "cli", source_backend: "local", source_backend_id: stamp.source, base: null, current, log_seq: 3
})

/** Everything at once: import, export, digest, conflicts, and long work. */
const wholeRoutes = (conversations: Map<string, Array<FakeMessage>>): ReadonlyArray<Route> => [
  ["GET", /^\/search$/, (asked, response) => {
    const hits = [...conversations].flatMap(([conversation_id, messages]) => messages.filter(({ content }) => content.includes(asked.query["q"] ?? "")).map(({ content, id, role }) => ({ conversation_id, title: null, message_id: id, role, timestamp: time, excerpt: content, marks: [] })))
    json(response, 200, { hits, next_cursor: null, behind: false })
  }],
  ["GET", /^\/conflicts$/, (_, response) => json(response, 200, { conflicts: [], next_cursor: null })],
  ["POST", /^\/import$/, (asked, response) => {
    const result = { conversations: 0, messages: 0, events: 0, unchanged: 0, invalid: [] as Array<{ line: number; why: string }> }
    for (const [index, line] of asked.body.split("\n").entries()) if (line !== "") importLine(conversations, result, line, index + 1)
    json(response, 200, result)
  }],
  ["GET", /^\/export$/, (_, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" })
    for (const [conversation_id, messages] of conversations) response.write(`${JSON.stringify({ conversation_id, messages })}\n`)
    response.end()
  }],
  ["GET", /^\/digest$/, (_, response) => json(response, 200, { conversations: conversations.size, messages: total(conversations), digest: "d".repeat(64) })],
  ["POST", /^\/verify$/, (_, response) => work(response, { ok: true, commits: 2, events: 10, digest: "d".repeat(64), problems: [] })],
  ["POST", /^\/rebuild$/, (_, response) => work(response, { conversations: conversations.size })]
]

const importLine = (
  conversations: Map<string, Array<FakeMessage>>,
  result: { conversations: number; messages: number; events: number; unchanged: number; readonly invalid: Array<{ line: number; why: string }> },
  line: string,
  number: number
): void => {
  try {
    const { conversation_id, messages } = JSON.parse(line)
    const known = conversations.get(conversation_id) ?? []
    conversations.set(conversation_id, known)
    result.conversations++
    for (const [index, each] of messages.entries()) {
      const message = { id: String(each.id ?? `i${index}`), role: each.role, content: each.content }
      result.messages++
      if (known.some(({ id }) => id === message.id)) result.unchanged++
      else {
        known.push(message)
        result.events++
      }
    }
  } catch {
    result.invalid.push({ line: number, why: "is not JSON" })
  }
}

export const total = (conversations: ReadonlyMap<string, ReadonlyArray<unknown>>): number =>
  [...conversations.values()].reduce((sum, messages) => sum + messages.length, 0)

const work = (response: ServerResponse, result: unknown): void => {
  response.writeHead(200, { "content-type": "application/x-ndjson" })
  response.write(`${JSON.stringify({ done: false, at: 5, of: 10 })}\n`)
  response.end(`${JSON.stringify({ done: true, at: 10, of: 10, result })}\n`)
}

const told: Handler = (asked, response) => json(response, 200, { sentence: `done: ${asked.method} ${asked.path}` })

export const status = {
  state: "in_step", sentence: "in step", backend_id: stamp.source, peer_id: "peer_0123456789abcdef", hosted_url: "http://127.0.0.1:9", paused: false,
  offline_since: null, silent_since: null, pending: 0, behind: 0, journal_seq: 3, relayed_seq: 3, mirror_seq: 5, tenant_last_seq: 5, log_epoch: 1, last_sync: time,
  registration_expires_at: time, conversations: 1, messages: 2, conflicts: 0, quarantined: 0, set_aside: 0, needs: null,
  versions: { maestra: "0.1.0", nats_server: "2.15.1" }
}

const controlRoutes: ReadonlyArray<Route> = [
  ["GET", /^\/health$/, (_, response) => json(response, 200, { status: "ok", backend_id: stamp.source, backend_type: "local", version: "0.1.0" })],
  ["GET", /^\/status$/, (_, response) => json(response, 200, status)],
  ["GET", /^\/debug$/, (_, response) => json(response, 200, { offline_queue: [] })],
  ["GET", /^\/peers$/, (_, response) => json(response, 200, { peers: [{ peer_id: "peer_0123456789abcdef", state: "registered" }] })],
  ["POST", /^\/pair$/, (_, response) => json(response, 200, { status: "registered", peer_id: "peer_0123456789abcdef" })],
  ["POST", /^\/(unpair|pause|resume|resync)$/, told],
  ["POST", /^\/peers\/[^/]+\/confirm$/, told],
  ["DELETE", /^\/peers\/[^/]+$/, told],
  ["POST", /^\/companion-codes$/, (_, response) => json(response, 201, { code: "one-time", url: "http://127.0.0.1:8825/#code=one-time", expires_at: time })],
  ["POST", /^\/enroll$/, (asked, response) => json(response, 200, { code: "maestra-code", user_id: JSON.parse(asked.body).user, tenant: "t_abcdefghijklmnop", expires_at: time })]
]

const streamRoute = (events: ReadonlyArray<string>, streams: Set<ServerResponse>): Route => ["GET", /^\/events$/, (asked, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  const after = asked.headers["last-event-id"] ?? (asked.query["from"] === "start" ? "0" : String(events.length))
  response.write(`id: ${after}\nretry: 1000\n\n: ping\n\n`)
  for (const event of events.slice(Number(after))) response.write(event)
  streams.add(response)
  response.on("close", () => streams.delete(response))
}]
