import { Effect } from "effect"
import { freePort } from "../support/natsServer.ts"
import { agreed, makeWorld } from "../support/world.ts"
import type { Link } from "../support/tcpLink.ts"
import { type Client, clientOf } from "./asking.ts"
import { textOf } from "./corpus.ts"
import { quantile, type Row, row } from "./Row.ts"
import { environment } from "./settings.ts"

/** Bytes that pass between a local and hosted, both ways, for one edit in a short and in a long conversation. */
export const measureLink = async (sizes: readonly [number, number], edits: number, note: string): Promise<ReadonlyArray<Row>> => {
  const world = await makeWorld()
  try {
    const leafPort = await Effect.runPromise(freePort)
    const link = await world.link(leafPort)
    const hosted = await world.hosted("hosted", { leafPort, leafUrl: `nats-leaf://127.0.0.1:${link.port}`, env: environment })
    const local = await world.local("local", { env: environment })
    const tenant = await world.pair(hosted, local)
    const client = clientOf(local)
    const perEdit: Array<number> = []
    for (const size of sizes) {
      const messages = Array.from({ length: size }, (_, i) => ({ id: `m${i}`, role: "user", content: textOf(i) }))
      await client.json("POST", "/import", JSON.stringify({ conversation_id: `c${size}`, messages }))
      await agreed(tenant, hosted, [local])
      const before = link.bytes()
      for (let i = 0; i < edits; i++) {
        await client.json("PUT", `/conversations/c${size}/messages/m${i}?wait=hosted`, { content: textOf(size + i) })
      }
      await agreed(tenant, hosted, [local])
      perEdit.push((link.bytes() - before) / edits)
      const shown = await client.json<{ readonly messages: ReadonlyArray<{ readonly content: string }> }>("GET", `/conversations/c${size}`)
      if (shown.messages.length !== size || shown.messages[edits - 1]?.content !== textOf(size + edits - 1)) throw new Error("an edit did not arrive")
    }
    // on a connection of its own: not behind the writes
    const remote = clientOf(local)
    const asked = await pausesBy(client, link, "api", async () => { await remote.json("POST", "/pause") })
    const typed = await pausesBy(client, link, "cli", async () => {
      const { code, err } = await local.cli("local", "pause")
      if (code !== 0) throw new Error(`local pause: ${err}`)
    })
    client.close()
    remote.close()
    const told = `${edits} edits one at a time, commit record and signature, what comes back to the mirror and keep-alives included; ${note}`
    return [
      row("pause_p50_ms", quantile(asked.map(({ fromAsking }) => fromAsking), 0.5), "ms", null, `from POST /pause until the last byte on the link, while it is busy with writes; ${pausesMeasured} times; ${note}`),
      row("pause_max_ms", Math.max(...asked.map(({ fromAsking }) => fromAsking)), "ms", null, "the longest of them"),
      row("pause_to_last_byte_ms", Math.max(...asked.map(({ fromAnswer }) => fromAnswer)), "ms", null, "the same, from the answer until the last byte; the longest"),
      row("pause_cli_p50_ms", quantile(typed.map(({ fromAsking }) => fromAsking), 0.5), "ms", null, `from the start of \`maestra local pause\`, a process of its own, until the last byte; ${pausesMeasured} times`),
      row("pause_cli_to_last_byte_ms", Math.max(...typed.map(({ fromAnswer }) => fromAnswer)), "ms", null, "the same, from its end until the last byte; the longest"),
      row("bytes_per_edit_1000", perEdit[0]!, "bytes", null, `conversation of ${sizes[0]}; ${told}`),
      row("bytes_per_edit_10000", perEdit[1]!, "bytes", perEdit[0]!, `conversation of ${sizes[1]}; floor: the shorter conversation's; ${told}`)
    ]
  } finally {
    await world.close()
  }
}

const pausesMeasured = 20
/** Nothing passed for this long: nothing comes any more. Milliseconds. */
const silentMs = 1000

interface Paused {
  /** Milliseconds from the question, and from its answer, until the last byte that passed. */
  readonly fromAsking: number
  readonly fromAnswer: number
}

const pausesBy = async (client: Client, link: Link, how: string, pause: () => Promise<void>): Promise<ReadonlyArray<Paused>> => {
  const all: Array<Paused> = []
  for (let i = 0; i < pausesMeasured; i++) all.push(await pauseUnder(client, link, `${how}-${i}`, pause))
  return all
}

/** Pause while messages are written without end and bytes pass; then all goes on. */
const pauseUnder = async (client: Client, link: Link, conversation: string, pause: () => Promise<void>): Promise<Paused> => {
  const write = (content: string, query = "") => client.json("POST", `/conversations/pause-${conversation}/messages${query}`, { role: "user", content })
  let writing = true
  const writes = (async () => {
    for (let i = 0; writing; i++) await write(textOf(i))
  })()
  for (const before = link.bytes(); link.bytes() === before;) await new Promise((wait) => setTimeout(wait, 1))
  const asked = performance.now()
  let answered = Infinity
  const pausing = pause().then(() => { answered = performance.now() })
  let last = asked
  for (let bytes = link.bytes(); performance.now() - Math.max(last, Math.min(answered, performance.now())) < silentMs;) {
    await new Promise((wait) => setTimeout(wait, 1))
    const now = link.bytes()
    if (now !== bytes) last = performance.now()
    bytes = now
  }
  writing = false
  await Promise.all([pausing, writes])
  await client.json("POST", "/resume")
  await write("sent again", "?wait=hosted&timeout=30")
  return { fromAsking: last - asked, fromAnswer: Math.max(0, last - answered) }
}
