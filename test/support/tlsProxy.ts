import { type IncomingMessage, request } from "node:http"
import { createServer } from "node:https"
import { connect } from "node:net"
import type { Duplex } from "node:stream"

/** A reverse proxy as operators put one in front: it speaks TLS at `port` and passes on in plain text, each path where `to` says. */
export const startTlsProxy = async (port: number, certificate: { readonly cert: string; readonly key: string }, to: (path: string) => number): Promise<{ readonly stop: () => void }> => {
  const open = new Set<Duplex>()
  const proxy = createServer(certificate, (asked, answer) => {
    const passed = request({ host: "127.0.0.1", port: to(asked.url ?? "/"), method: asked.method, path: asked.url, headers: asked.headers }, (told) => {
      answer.writeHead(told.statusCode ?? 502, told.headers)
      told.pipe(answer)
    })
    passed.on("error", () => answer.destroy())
    asked.pipe(passed)
  })
  proxy.on("upgrade", (asked: IncomingMessage, client: Duplex, head: Buffer) => {
    const backend = connect(to(asked.url ?? "/"), "127.0.0.1")
    const headers = asked.rawHeaders.reduce((lines, part, at) => lines + part + (at % 2 === 0 ? ": " : "\r\n"), "")
    backend.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${headers}\r\n`)
    backend.write(head)
    backend.pipe(client).pipe(backend)
    for (const [one, other] of [[client, backend], [backend, client]] as const) one.on("error", () => other.destroy())
  })
  proxy.on("connection", (socket) => {
    open.add(socket)
    socket.on("close", () => open.delete(socket))
  })
  await new Promise<void>((listening) => proxy.listen(port, "127.0.0.1", listening))
  return {
    stop: () => {
      proxy.close()
      for (const socket of open) socket.destroy()
    }
  }
}
