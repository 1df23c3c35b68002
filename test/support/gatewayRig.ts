import { Context, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { allProjections } from "../../projections/projections.ts"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { serveHosted, serveLocal } from "../../src/gateway/http/server.ts"
import { openEndedSessions } from "../../src/local/endedSessions.ts"
import { EndedSessions } from "../../streams/Access.ts"
import { type Knobs, makeKnobs, memoryBackend, type MemoryOptions } from "./memoryBackend.ts"

/** The secret of the side: local token or admin token. */
export const secret = "the secret of this test"
export const allowedOrigin = "https://app.example.org"

/** A running gateway over the ports in memory and real projections in a temporary folder. */
export interface Rig {
  readonly url: string
  readonly port: number
  readonly knobs: Knobs
  readonly projections: Projections["Service"]
  /** One request with the secret; `body` goes as JSON unless it is bytes or text. */
  readonly ask: (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}
export type Body = Readonly<Record<string, unknown>>

/** A list in an answer. */
export const listOf = (body: Body, field: string): ReadonlyArray<Body> => body[field] as ReadonlyArray<Body>
/** An object in an answer. */
export const partOf = (body: Body, field: string): Body => body[field] as Body
/** `404 conversation-not-found`: how a request was refused. */
export const problemOf = ({ body, status }: Answer): string => `${status} ${String(body["type"]).replace("urn:maestra:problem:", "")}`

/** Of a few tries: one of them may fall into a moment in which this machine does something else. */
export const median = (times: ReadonlyArray<number>): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!

/** Built for the scope; closing it stops the server as a signal would. */
export const makeRig = (options: MemoryOptions) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "gateway-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const knobs = makeKnobs()
    const sqlite = Sqlite.layer({ path: join(folder, "projections.db") })
    const projections = Layer.provideMerge(Projections.layer(allProjections), sqlite)
    const ended = Layer.effect(EndedSessions, openEndedSessions(folder)).pipe(Layer.orDie)
    const backend = Layer.provideMerge(Layer.mergeAll(memoryBackend(options, knobs), ended), projections)
    const gateway = options.side === "local"
      ? Layer.provideMerge(serveLocal({ port: 0, token: secret, allowedOrigins: [allowedOrigin] }), backend)
      : Layer.provideMerge(serveHosted({ port: 0, adminToken: secret, allowedOrigins: [allowedOrigin] }), backend)
    const context = yield* Layer.build(gateway)
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = "port" in address ? address.port : 0
    const url = `http://127.0.0.1:${port}`
    return { url, port, knobs, projections: Context.get(context, Projections), ask: asker(url) } satisfies Rig
  })

const asker = (url: string): Rig["ask"] => async (method, path, body, headers = {}) => {
  const raw = typeof body === "string" || body instanceof Uint8Array
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}`, ...(body === undefined || raw ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) })
  })
  const text = await response.text()
  const isJson = response.headers.get("content-type")?.includes("json") === true && !response.headers.get("content-type")!.includes("ndjson")
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) as Body : {} }
}
