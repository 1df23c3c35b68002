import { Effect } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

/** What a model server was asked. */
export interface Heard {
  readonly path: string
  readonly authorization: string | undefined
  readonly body: { readonly model: string; readonly stream?: boolean; readonly messages: ReadonlyArray<{ readonly role: string; readonly content: string }> }
}

export type Play = (response: ServerResponse, heard: Heard) => void

/** A real small HTTP server that plays the model server: `play` says how it answers from now on. */
export const modelServer = Effect.acquireRelease(
  Effect.promise(() => new Promise<{ readonly url: URL; readonly heard: Array<Heard>; readonly play: (how: Play) => void; readonly stop: () => void }>((ready) => {
    const heard: Array<Heard> = []
    let how: Play = completion("42")
    const server = createServer((request: IncomingMessage, response) => {
      const parts: Array<Buffer> = []
      request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
        const one: Heard = { path: request.url ?? "", authorization: request.headers.authorization, body: JSON.parse(Buffer.concat(parts).toString()) as Heard["body"] }
        heard.push(one)
        how(response, one)
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      ready({
        url: new URL(`http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/v1`),
        heard,
        play: (next) => { how = next },
        stop: () => { server.closeAllConnections(); server.close() }
      })
    })
  })),
  ({ stop }) => Effect.sync(stop)
)

const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }

/** An answer in one piece. */
export const completion = (content: string): Play => (response) =>
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ model: "small-1", choices: [{ message: { role: "assistant", content } }], usage }))

/** An answer in pieces, cut where bytes may be cut; `end` is what comes last. */
export const pieces = (content: ReadonlyArray<string>, end = `data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`): Play => (response) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  const text = content.map((piece) => `data: ${JSON.stringify({ model: "small-1", choices: [{ delta: { content: piece } }] })}\n\n`).join("") + end
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7))
  response.end()
}

/** A status without an answer. */
export const status = (code: number, headers: Readonly<Record<string, string>> = {}, body = ""): Play => (response) => response.writeHead(code, headers).end(body)
