import { fromSeed } from "@nats-io/nkeys"
import { Effect } from "effect"
import { connect as dial } from "node:net"

/** The leaf-node protocol spoken by hand, as a hostile machine would: no nats-server of ours that filters first. */
export interface RawLeaf {
  /** Each `LMSG` the hub sent, by subject. */
  readonly heard: Array<string>
  /** The newest body heard on a subject. */
  readonly bodies: ReadonlyMap<string, string>
  /** Each `-ERR` the hub sent. */
  readonly refused: Array<string>
  readonly closed: () => boolean
  readonly close: () => void
  readonly publish: (subject: string, body: string | Uint8Array, reply?: string) => void
  /** With NATS headers, `Name: value` each. */
  readonly publishWith: (headers: ReadonlyArray<string>, subject: string, body: string | Uint8Array, reply: string) => void
  readonly subscribe: (subject: string, queue?: string) => void
  /** Take nothing off the line any more. */
  readonly stopReading: () => void
  /** Everything sent so far has been looked at by the hub, or it has closed the connection. */
  readonly flush: Effect.Effect<void>
}

interface Identity {
  readonly jwt?: string
  readonly seed?: string
  readonly domain?: string
}

/** Connects and identifies with a JWT and a seed that may or may not fit. A refusal shows in `refused` and `closed`. */
export const rawLeaf = (port: number, identity: Identity) =>
  Effect.acquireRelease(
    Effect.callback<RawLeaf>((resume) => {
      const socket = dial(port, "127.0.0.1")
      socket.setNoDelay(true)
      const heard: Array<string> = []
      const bodies = new Map<string, string>()
      const refused: Array<string> = []
      let pongs: Array<() => void> = []
      let closed = false
      let buffer: Buffer = Buffer.alloc(0)
      const wake = () => {
        for (const pong of pongs) pong()
        pongs = []
      }
      const leaf: RawLeaf = {
        heard,
        bodies,
        refused,
        closed: () => closed,
        close: () => void socket.destroy(),
        publish: (subject, body, reply) => void socket.write(message(`LMSG ${subject} ${reply === undefined ? "" : `${reply} `}${Buffer.byteLength(body)}\r\n`, body)),
        publishWith: (headers, subject, body, reply) => void socket.write(messageWith(headers, subject, body, reply)),
        subscribe: (subject, queue) => void socket.write(`LS+ ${subject}${queue === undefined ? "" : ` ${queue} 1`}\r\n`),
        stopReading: () => void socket.pause(),
        flush: Effect.callback<void>((done) => {
          if (closed) return done(Effect.void)
          pongs.push(() => done(Effect.void))
          socket.write("PING\r\n")
        })
      }
      const take = () => {
        for (;;) {
          const end = buffer.indexOf("\r\n")
          if (end === -1) return
          const line = buffer.subarray(0, end).toString()
          let next = end + 2
          const [verb = "", ...words] = line.split(" ")
          if (verb === "LMSG" || verb === "HMSG" || verb === "LHMSG") {
            next += Number(words.at(-1)) + 2
            if (buffer.length < next) return
            heard.push(words[0]!)
            bodies.set(words[0]!, buffer.subarray(end + 2 + (verb === "LMSG" ? 0 : Number(words.at(-2))), next - 2).toString())
          }
          buffer = buffer.subarray(next)
          if (verb === "INFO") greet(JSON.parse(line.slice(5)))
          if (verb === "PING") socket.write("PONG\r\n")
          if (verb === "PONG") pongs.shift()?.()
          if (verb === "-ERR") refused.push(line.slice(5))
        }
      }
      let greeted = false
      const greet = (info: { readonly nonce?: string }) => {
        if (greeted) return
        greeted = true
        socket.write(`${helloOf(identity, info.nonce ?? "")}\r\nPING\r\n`)
        pongs.push(() => resume(Effect.succeed(leaf)))
      }
      socket.on("data", (bytes: Buffer) => {
        buffer = Buffer.concat([buffer, Buffer.from(bytes)])
        take()
      })
      socket.on("error", () => undefined)
      socket.on("close", () => {
        closed = true
        wake()
      })
    }),
    (leaf) => Effect.sync(leaf.close)
  )

const message = (head: string, body: string | Uint8Array): Buffer => Buffer.concat([Buffer.from(head), Buffer.from(body), Buffer.from("\r\n")])

const messageWith = (headers: ReadonlyArray<string>, subject: string, body: string | Uint8Array, reply: string): Buffer => {
  const head = `NATS/1.0\r\n${headers.join("\r\n")}\r\n\r\n`
  return message(`HMSG ${subject} ${reply} ${head.length} ${head.length + Buffer.byteLength(body)}\r\n${head}`, body)
}

const helloOf = ({ domain, jwt, seed }: Identity, nonce: string): string => {
  const sig = seed === undefined ? undefined : Buffer.from(fromSeed(new TextEncoder().encode(seed)).sign(new TextEncoder().encode(nonce))).toString("base64url")
  return `CONNECT ${JSON.stringify({ jwt, sig, name: "hostile", server_id: "HOSTILE", domain, headers: true, jetstream: true, version: "2.15.1", protocol: 1 })}`
}
