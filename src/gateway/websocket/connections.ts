import * as NodeWS from "@effect/platform-node/NodeWS"
import { Duration, Effect, Schedule } from "effect"
import { frameMaxBytes } from "../../../streams/limits.ts"

/** How often a connection is asked whether anybody is there. Twice without an answer, and it is cut. */
const pingEvery = Duration.seconds(15)
const silentPingsMax = 2
/** Answers a client does not read; beyond, it is cut. */
const unreadMaxBytes = 4 * 1024 * 1024

/** The protocol we speak, and the only one we ever name back: next to it a token travels. */
export const protocolName = "maestra.v1"

type ServerSocket = InstanceType<typeof NodeWS.WebSocket>

/** The WebSockets of one server, as far as the protocol below our frames goes. */
export interface Connections {
  /** How the server takes them: frame size, protocol, no compression (it would cost more memory than it saves bytes). */
  readonly options: NonNullable<ConstructorParameters<typeof NodeWS.WebSocketServer>[0]>
  /** Ping them, for ever. */
  readonly run: Effect.Effect<void>
}

export const makeConnections = (): Connections => {
  const open = new Map<ServerSocket, number>()
  const watch = (socket: ServerSocket): void => {
    open.set(socket, 0)
    socket.on("pong", () => void open.set(socket, 0))
    socket.on("close", () => void open.delete(socket))
  }
  class Watched extends NodeWS.WebSocket {
    protected readonly watching = watch(this)
  }
  const ping = Effect.sync(() => {
    for (const [socket, silent] of open) {
      if (silent >= silentPingsMax || socket.bufferedAmount > unreadMaxBytes) socket.terminate()
      else if (socket.readyState === NodeWS.WebSocket.OPEN) {
        open.set(socket, silent + 1)
        socket.ping()
      }
    }
  })
  return {
    options: {
      maxPayload: frameMaxBytes,
      perMessageDeflate: false,
      WebSocket: Watched,
      handleProtocols: (offered) => offered.has(protocolName) ? protocolName : false
    },
    run: Effect.asVoid(Effect.repeat(ping, Schedule.spaced(pingEvery)))
  }
}
