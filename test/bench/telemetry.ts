import { encodeBearer } from "../../src/security/sessionToken.ts"
import { enrol, makeRawPeer, registerRaw, tokenFor } from "../support/rawPeer.ts"
import { event, openTelemetry } from "../support/telemetrySocket.ts"
import type { Backend } from "../support/world.ts"
import { type Client, clientOf } from "./asking.ts"
import type { RawServer } from "./floors.ts"
import { quantile, type Row, row, timed } from "./Row.ts"

interface Place {
  readonly tenant: string
  readonly hosted: Backend
  readonly writer: Backend
}

/** Events before the first one that counts. */
const warmUp = 100
const turns = 4

/** Telemetry one event after the other: from the emit on a local until hosted lists it, and over a WebSocket until it is acknowledged. */
export const measureTelemetry = async (place: Place, raw: RawServer, samples: number, note: string): Promise<ReadonlyArray<Row>> => {
  const leaf = leafPath(clientOf(place.writer), clientOf(place.hosted), place.tenant)
  const stream = await streamPath(place.hosted)
  await leaf.timed(warmUp)
  await stream.timed(warmUp)
  await raw.publishes(warmUp)
  // in turns with the floor, because a shared machine is quick one minute and slow the next
  const taken = { floor: [] as Array<number>, leaf: [] as Array<number>, stream: [] as Array<number> }
  const count = Math.ceil(samples / turns)
  for (let turn = 0; turn < turns; turn++) {
    taken.floor.push(...await raw.publishes(count))
    taken.leaf.push(...await leaf.timed(count))
    taken.stream.push(...await stream.timed(count))
  }
  leaf.close()
  stream.close()
  const of = (name: string, samples: ReadonlyArray<number>, share: number, what: string) => row(name, quantile(samples, share), "ms", quantile(taken.floor, share), `${what}; floor: fsynced publish of 450 bytes; ${note}`)
  return [
    of("telemetry_leaf_p50_ms", taken.leaf, 0.5, "POST on the local, fsynced there, relayed, fsynced on hosted, until GET there lists it; aim: p99 under 100 ms"),
    of("telemetry_leaf_p99_ms", taken.leaf, 0.99, "the same"),
    of("telemetry_ws_p50_ms", taken.stream, 0.5, "a frame on an open WebSocket to hosted until it is acknowledged, which is fsynced; aim: p99 under 100 ms"),
    of("telemetry_ws_p99_ms", taken.stream, 0.99, "the same")
  ]
}

interface Path {
  readonly timed: (count: number) => Promise<ReadonlyArray<number>>
  readonly close: () => void
}

interface Page {
  readonly events: ReadonlyArray<{ readonly event_id: string }>
  readonly next_cursor: string | null
}

const leafPath = (local: Client, hosted: Client, tenant: string): Path => {
  let made = 0
  let cursor = ""
  const emit = async () => {
    const event_id = `leaf-${made++}`
    await local.json("POST", "/telemetry", { event_type: "bench", event_id })
    for (;;) {
      const page = await hosted.json<Page>("GET", `/telemetry?tenant=${tenant}&type=bench&limit=1${cursor}`)
      const [shown] = page.events
      if (shown === undefined) continue
      if (shown.event_id !== event_id) throw new Error(`${event_id} was awaited, ${shown.event_id} came`)
      cursor = `&cursor=${page.next_cursor}`
      return
    }
  }
  return { timed: (count) => timed(count, emit), close: () => { local.close(); hosted.close() } }
}

const streamPath = async (hosted: Backend): Promise<Path> => {
  const peer = await makeRawPeer("bench")
  const code = await enrol(hosted, "bench")
  const token = await tokenFor(hosted, peer, code)
  const { json } = await registerRaw(hosted, peer, token)
  const socket = await openTelemetry(`${hosted.url()}/telemetry/${json.peer_id}`, { protocols: ["maestra.v1", `sbt.${encodeBearer(token)}`] })
  let made = 0
  const send = async () => {
    socket.send(event(`ws-${made++}`))
    const [answer] = await socket.next(1)
    if (answer?.status !== "acked") throw new Error(`not acknowledged: ${JSON.stringify(answer)}`)
  }
  return { timed: (count) => timed(count, send), close: socket.close }
}
