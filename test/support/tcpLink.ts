import { createConnection, createServer, type Server, type Socket } from "node:net"

/** A TCP relay in front of the hub's leaf port that can be cut: silently (nothing passes, nothing closes) or by closing. */
export interface Link {
  readonly port: number
  /** `leaf`: only connections of the nats-server of that name, as it introduces itself; without it all. */
  readonly cut: (how?: "silent" | "close", leaf?: string) => void
  readonly mend: (leaf?: string) => void
  /** Bytes that passed, both ways, since the start. */
  readonly bytes: () => number
  /** Everything that passed, both ways, while recording. */
  readonly record: () => { readonly stop: () => Buffer }
  readonly close: () => void
}

type State = "up" | "silent" | "close"

interface Pair {
  readonly near: Socket
  readonly far: Socket
  leaf: string | undefined
}

/** How a leaf introduces itself: `CONNECT {…"name":"<its server name>"…}`, in the clear. */
const introduction = /^CONNECT \{.*"name":"([^"]+)"/

/** Relay what connects here to a port of this machine. */
export const makeLink = async (target: number): Promise<Link> => {
  const pairs = new Set<Pair>()
  let state: State = "up"
  const states = new Map<string, State>()
  const stateOf = ({ leaf }: Pair): State => state !== "up" || leaf === undefined ? state : states.get(leaf) ?? "up"
  let bytes = 0
  let recorded: Array<Buffer> | undefined
  const server: Server = createServer((near) => {
    if (state === "close") return void near.destroy()
    // cut in silence, a new connection is taken by nobody: it hangs, as behind a dead router
    if (state === "silent") return void near.on("error", () => {})
    const far = createConnection({ host: "127.0.0.1", port: target })
    const pair: Pair = { near, far, leaf: undefined }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on("data", (chunk: Buffer) => {
        if (from === near) pair.leaf ??= introduction.exec(chunk.toString("latin1"))?.[1]
        const now = stateOf(pair)
        if (now === "close") return end()
        if (now !== "up") return
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
  const drop = (leaf?: string) => {
    for (const pair of pairs) {
      if (leaf !== undefined && pair.leaf !== leaf) continue
      pair.near.destroy()
      pair.far.destroy()
      pairs.delete(pair)
    }
  }
  return {
    port: address.port,
    cut: (how = "silent", leaf) => {
      if (leaf === undefined) state = how
      else states.set(leaf, how)
      if (how === "close") drop(leaf)
    },
    mend: (leaf) => {
      // what was said into the silence is gone: those connections are of no use any more
      if ((leaf === undefined ? state : states.get(leaf)) === "silent") drop(leaf)
      if (leaf === undefined) state = "up"
      else states.delete(leaf)
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
