import { agreed, type Backend, digestOf, until } from "../support/world.ts"
import { type Client, clientOf } from "./asking.ts"
import { conversationOf, importBodies, perConversation } from "./corpus.ts"
import type { RawServer } from "./floors.ts"
import { type Row, row } from "./Row.ts"

interface Place {
  readonly tenant: string
  readonly hosted: Backend
  readonly writer: Backend
  readonly reader: Backend
}

/** Import on a paused local, resume until all three agree, restart it, build the hosted tables again. */
export const measureBulk = async (place: Place, raw: RawServer, events: number, note: string): Promise<ReadonlyArray<Row>> => {
  const writer = clientOf(place.writer)
  const before = await agreed(place.tenant, place.hosted, [place.writer, place.reader])
  const expected = before.messages + events
  const last = conversationOf(Math.ceil(events / perConversation) - 1)

  await writer.json("POST", "/pause")
  const bodies = importBodies(events)
  const floors = [await raw.batches(events)]
  const imported = await seconds(async () => {
    for (const body of bodies) {
      const answer = await writer.json<{ readonly invalid: ReadonlyArray<unknown> }>("POST", "/import", body)
      if (answer.invalid.length > 0) throw new Error(JSON.stringify(answer.invalid[0]))
    }
  })
  const readable = imported + await seconds(async () => { await writer.json("GET", `/conversations/${last}`) })
  floors.push(await raw.batches(events))
  const batchFloor = floors.reduce((sum, floor) => sum + floor, 0) / floors.length
  await sameCount(place.writer, place.tenant, expected)

  const backlog = await seconds(async () => {
    await writer.json("POST", "/resume")
    await allHave(place, expected, last)
  })
  const { messages } = await agreed(place.tenant, place.hosted, [place.writer, place.reader])
  if (messages !== expected) throw new Error(`${expected} messages were written, ${messages} are there`)
  writer.close()

  const restart = await restarts(place, last, expected)
  const rebuilt = { hosted: await rebuild(place.hosted, place.tenant), local: await rebuild(place.writer, place.tenant) }
  return [
    row("import_events_per_s", events / imported, "events/s", batchFloor, `${events} messages over HTTP, 4,000 a request, until the last is answered; readable at ${Math.round(events / readable)}/s; floor: atomic batches of 900 with 450 bytes each; ${note}`),
    row("backlog_events_per_s", events / backlog, "events/s", batchFloor, `${events} events written while paused, from resume until all three have them; floor as for import, of which the backlog needs two in a row; ${note}`),
    row("restart_s", restart, "s", null, `process start until it answers with a message it had, ${expected} events; ${note}`),
    row("rebuild_events_per_s", rebuilt.hosted, "events/s", null, `hosted tables from the LOG, ${expected} events, verified and opened; local from JOURNAL and MIRROR ${Math.round(rebuilt.local)}/s; ${note}`)
  ]
}

const seconds = async (work: () => Promise<void>): Promise<number> => {
  const before = performance.now()
  await work()
  return (performance.now() - before) / 1000
}

/** The cheapest questions that tell: digests are compared afterwards. */
const allHave = async ({ hosted, reader, tenant, writer }: Place, expected: number, last: string) => {
  const [atHosted, atReader, atWriter] = [hosted, reader, writer].map(clientOf) as [Client, Client, Client]
  const inStep = async (client: Client) => {
    const status = await client.json<{ readonly state: string; readonly messages: number }>("GET", "/status")
    return status.state === "in_step" && status.messages === expected
  }
  await until(async () => await inStep(atWriter) && await inStep(atReader) && (await atHosted.ask("GET", `/conversations/${last}?tenant=${tenant}`)).status === 200, 300_000)
  for (const client of [atHosted, atReader, atWriter]) client.close()
}

const sameCount = async (backend: Backend, tenant: string, expected: number) => {
  const { messages } = await digestOf(backend, tenant)
  if (messages !== expected) throw new Error(`${backend.name} has ${messages} messages, not ${expected}`)
}

/** The median of three: stop, start, and the first answer with content. */
const restarts = async ({ tenant, writer }: Place, last: string, expected: number): Promise<number> => {
  const took: Array<number> = []
  for (let i = 0; i < 3; i++) {
    const was = await digestOf(writer, tenant)
    await writer.stop()
    took.push(await seconds(async () => {
      const starting = writer.start()
      await answers(writer, last)
      await starting
    }))
    const now = await digestOf(writer, tenant)
    if (now.digest !== was.digest || now.messages !== expected) throw new Error("a restart changed what is there")
  }
  return took.sort((a, b) => a - b)[1]!
}

const answers = async (backend: Backend, conversation: string) => {
  const client = clientOf(backend)
  for (let tries = 0;; tries++) {
    const answer = await client.ask("GET", `/conversations/${conversation}`).catch(() => undefined)
    if (answer?.status === 200 && JSON.parse(answer.text).messages.length > 0) break
    if (tries > 3000) throw new Error(`${backend.name} does not answer`)
    await new Promise((wait) => setTimeout(wait, 5))
  }
  client.close()
}

const rebuild = async (backend: Backend, tenant: string): Promise<number> => {
  const was = await digestOf(backend, tenant)
  const client = clientOf(backend)
  const took = await seconds(async () => {
    const { status, text } = await client.ask("POST", "/rebuild")
    if (status !== 200 || JSON.parse(text.trim().split("\n").at(-1)!).done !== true) throw new Error(`rebuild: ${status} ${text.slice(-500)}`)
  })
  client.close()
  const now = await digestOf(backend, tenant)
  if (now.digest !== was.digest) throw new Error("building the tables again changed what they show")
  return was.messages / took
}
