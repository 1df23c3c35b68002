import { agreed, type Backend } from "../support/world.ts"
import { type Client, clientOf } from "./asking.ts"
import { textOf } from "./corpus.ts"
import type { RawServer } from "./floors.ts"
import { quantile, type Row, row, timed } from "./Row.ts"

interface Place {
  readonly tenant: string
  readonly hosted: Backend
  readonly writer: Backend
  readonly reader: Backend
}

/** Writes before the first one that counts: connections open, code compiled. */
const warmUp = 100

/** Single writes, one after the other: until answered, until hosted shows them, until the other machine shows them. */
export const measureWrites = async (place: Place, raw: RawServer, samples: number, note: string): Promise<ReadonlyArray<Row>> => {
  const writer = clientOf(place.writer)
  const hosted = clientOf(place.hosted)
  const reader = clientOf(place.reader)
  const write = (conversation: string, n: number) => writer.json("POST", `/conversations/${conversation}/messages`, { role: "user", content: textOf(n) })
  const inHosted = (conversation: string) => seen(hosted, `/conversations/${conversation}?tenant=${place.tenant}`)
  const inPeer = (conversation: string) => seen(reader, `/conversations/${conversation}`)
  const local = (from: number, count: number) => timed(count, (n) => write("latency", from + n))
  // a new conversation each time: what does not show yet is a short 404, and asking again costs little
  const until = (mark: string, count: number, visible: (conversation: string) => Promise<void>) =>
    timed(count, async (n) => {
      await write(`${mark}-${n}`, n)
      await visible(`${mark}-${n}`)
    })

  await local(0, warmUp)
  await until("warm-h", warmUp, inHosted)
  await until("warm-p", warmUp, inPeer)
  await raw.publishes(warmUp)
  // in turns with the floor, because a shared machine is quick one minute and slow the next
  const taken = { floor: [] as Array<number>, pairs: [] as Array<number>, local: [] as Array<number>, hosted: [] as Array<number>, peer: [] as Array<number> }
  const turns = 4
  const count = Math.ceil(samples / turns)
  for (let turn = 0; turn < turns; turn++) {
    taken.floor.push(...await raw.publishes(count))
    taken.pairs.push(...await raw.pairs(count))
    taken.local.push(...await local(warmUp + turn * count, count))
    taken.hosted.push(...await until(`h${turn}`, count, inHosted))
    taken.peer.push(...await until(`p${turn}`, count, inPeer))
    taken.floor.push(...await raw.publishes(count))
  }
  const written = warmUp * 3 + count * turns * 3
  const { messages } = await agreed(place.tenant, place.hosted, [place.writer, place.reader])
  if (messages !== written) throw new Error(`${written} messages were written, ${messages} are there`)
  for (const client of [writer, hosted, reader]) client.close()
  const pair = quantile(taken.pairs, 0.5).toPrecision(3)
  const of = (name: string, samples: ReadonlyArray<number>, share: number, what: string) => row(name, quantile(samples, share), "ms", quantile(taken.floor, share), `${what}; floor: fsynced publish of 450 bytes; ${note}`)
  const commit = `the hub's atomic batch of event and record alone takes ${pair} ms (its server stages a batch in files of its own)`
  return [
    of("write_local_p50_ms", taken.local, 0.5, "POST until answered, all online"),
    of("write_local_p99_ms", taken.local, 0.99, "the same"),
    of("write_to_hosted_p50_ms", taken.hosted, 0.5, `POST on the local, then GET on hosted until it shows; ${commit}`),
    of("write_to_hosted_p99_ms", taken.hosted, 0.99, "the same"),
    of("write_to_peer_p50_ms", taken.peer, 0.5, `POST on the local, then GET on the second local until it shows; ${commit}`)
  ]
}

/** Between two questions, milliseconds: asked without a pause they take the processor from what they wait for. */
const pauseMs = 1

const seen = async (client: Client, path: string) => {
  const deadline = performance.now() + 30_000
  for (;;) {
    const { status, text } = await client.ask("GET", path)
    if (status === 200) return
    if (status !== 404 || performance.now() > deadline) throw new Error(`${path}: ${status} ${text.slice(0, 300)}`)
    await new Promise((wait) => setTimeout(wait, pauseMs))
  }
}
