import { readFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { join } from "node:path"
import type { Backend } from "../support/world.ts"

export interface Answer {
  readonly status: number
  readonly text: string
}

/** One kept connection to a backend, with its own token: `fetch` alone costs half of what is measured here. */
export interface Client {
  readonly ask: (method: string, path: string, body?: string) => Promise<Answer>
  /** The answer's JSON; any status of 400 and above is a failure of the benchmark. */
  readonly json: <A>(method: string, path: string, body?: unknown) => Promise<A>
  readonly close: () => void
}

export const clientOf = (backend: Backend): Client => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const token = readFileSync(join(backend.dir, backend.side === "hosted" ? "admin-token" : "token"), "utf8").trim()
  const ask: Client["ask"] = (method, path, body) =>
    new Promise((done, failed) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": path.startsWith("/import") ? "application/x-ndjson" : "application/json", "content-length": Buffer.byteLength(body) })
      }
      const asked = request(`${backend.url()}${path}`, { agent, method, headers }, (response) => {
        const parts: Array<Buffer> = []
        response.on("data", (part: Buffer) => parts.push(part))
        response.once("end", () => done({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }))
      })
      asked.once("error", failed)
      asked.end(body)
    })
  return {
    ask,
    json: async <A>(method: string, path: string, body?: unknown) => {
      const { status, text } = await ask(method, path, body === undefined || typeof body === "string" ? body : JSON.stringify(body))
      if (status >= 400) throw new Error(`${backend.name}: ${method} ${path}: ${status} ${text.slice(0, 500)}`)
      return JSON.parse(text) as A
    },
    close: () => agent.destroy()
  }
}
