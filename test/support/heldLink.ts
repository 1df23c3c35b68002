import { createConnection, createServer, type Server, type Socket } from "node:net"

/**
 * A relay in front of the hub's leaf port that can keep what the mirror's consumer delivers to one peer waiting at
 * the door, in order, while everything else passes: the peer goes on sending, and hears nothing new.
 */
export interface HeldLink {
  readonly port: number
  readonly hold: (peer: string) => void
  readonly release: (peer: string) => void
  /** Messages that had to wait, since the start: a schedule that held nothing proved nothing. */
  readonly waited: () => number
  readonly close: () => void
}

export const makeHeldLink = async (target: () => number): Promise<HeldLink> => {
  const held = new Set<string>()
  const waiting = new Map<string, Array<() => void>>()
  const sockets = new Set<Socket>()
  let waited = 0
  const deliver = (peer: string, pass: () => void) => {
    if (!held.has(peer)) return pass()
    waited++
    waiting.set(peer, [...waiting.get(peer) ?? [], pass])
  }
  const server: Server = createServer((near) => {
    const far = createConnection({ host: "127.0.0.1", port: target() })
    const end = () => {
      for (const socket of [near, far]) {
        sockets.delete(socket)
        socket.destroy()
      }
    }
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on("close", end)
      socket.on("error", end)
    }
    near.on("data", (chunk) => far.write(chunk))
    far.on("data", frames((frame, line) => {
      const peer = deliverSubject.exec(line)?.[1]
      if (peer === undefined) near.write(line.startsWith("INFO ") ? uncompressed(line) : frame)
      else deliver(peer, () => near.write(frame))
    }))
  })
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return {
    port: address.port,
    hold: (peer) => void held.add(peer),
    release: (peer) => {
      held.delete(peer)
      const passes = waiting.get(peer) ?? []
      waiting.delete(peer)
      for (const pass of passes) pass()
    },
    waited: () => waited,
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

/** A message of the mirror's consumer on a leaf connection: `LMSG subject … size` or, with headers, `HMSG subject … size`. */
const deliverSubject = /^[LH]MSG deliver\.([^. ]+)\./

/** The hub's greeting without its offer to compress, so that what follows can be read. */
const uncompressed = (line: string): string => `${line.replace(/"compression":"[^"]*"/, "\"compression\":\"off\"")}\r\n`

/** Cut a leaf connection's bytes into protocol lines, each with its payload. */
const frames = (take: (frame: Buffer, line: string) => void) => {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      const end = rest.indexOf("\r\n")
      if (end === -1) return
      const line = rest.subarray(0, end).toString("latin1")
      const payload = /^[LHR]MSG /.test(line) ? Number(line.slice(line.lastIndexOf(" ") + 1)) + 2 : 0
      const length = end + 2 + payload
      if (rest.length < length) return
      take(rest.subarray(0, length), line)
      rest = rest.subarray(length)
    }
  }
}
