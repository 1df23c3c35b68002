import { createConnection, createServer, type Server, type Socket } from "node:net"

/** A TCP relay in front of the hub's leaf port that can be cut: silently (nothing passes, nothing closes) or by closing. */
export interface Link {
  readonly port: number
  readonly cut: (how?: "silent" | "close") => void
  readonly mend: () => void
  /** Bytes that passed, both ways, since the start. */
  readonly bytes: () => number
  /** Everything that passed, both ways, while recording. */
  readonly record: () => { readonly stop: () => Buffer }
  readonly close: () => void
}

/** Relay what connects here to a port of this machine. */
export const makeLink = async (target: number): Promise<Link> => {
  const pairs = new Set<readonly [Socket, Socket]>()
  let state: "up" | "silent" | "close" = "up"
  let bytes = 0
  let recorded: Array<Buffer> | undefined
  const server: Server = createServer((near) => {
    if (state === "close") return void near.destroy()
    // cut in silence, a new connection is taken by nobody: it hangs, as behind a dead router
    if (state === "silent") return void near.on("error", () => {})
    const far = createConnection({ host: "127.0.0.1", port: target })
    const pair = [near, far] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on("data", (chunk: Buffer) => {
        if (state !== "up") return
        bytes += chunk.length
        recorded?.push(chunk)
        to.write(chunk)
      })
      from.on("close", end)
      from.on("error", end)
    }
  })
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  const drop = () => {
    for (const [near, far] of pairs) {
      near.destroy()
      far.destroy()
    }
    pairs.clear()
  }
  return {
    port: address.port,
    cut: (how = "silent") => {
      state = how
      if (how === "close") drop()
    },
    mend: () => {
      // what was said into the silence is gone: those connections are of no use any more
      if (state === "silent") drop()
      state = "up"
    },
    bytes: () => bytes,
    record: () => {
      const mine: Array<Buffer> = recorded = []
      return { stop: () => { recorded = undefined; return Buffer.concat(mine) } }
    },
    close: () => {
      drop()
      server.close()
    }
  }
}
