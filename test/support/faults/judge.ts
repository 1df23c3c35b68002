import { randomUUID } from "node:crypto"
import { agreed, type Backend, digestOf, until } from "../world.ts"
import { shown } from "../linked.ts"
import { doubled, eventsOf, type LogEvent, type Verified, verified } from "../load.ts"
import type { Load } from "./load.ts"
import type { Measuring } from "./measuring.ts"
import type { Readers } from "./readers.ts"
import type { Stage } from "./stage.ts"
import { typedConversation, type Typing } from "./surface.ts"

/** What must be true of a run, whatever happened in it. Each list is empty where it is. */
export interface Judgement {
  /** 1. Acknowledged, and in the log no more. */
  readonly lost: ReadonlyArray<string>
  /** 2. In the log more than once, by event id or by what was written. */
  readonly twice: ReadonlyArray<string>
  /** 3. What `verify` finds, on any backend. Damage to the hub's disk stays named, so there it is told, and no fault. */
  readonly problems: ReadonlyArray<string>
  /** 4. Digests that differ after quiet, a new device's where the log was damaged included. */
  readonly apart: ReadonlyArray<string>
  /** 5. What a reader saw go back. */
  readonly wentBack: ReadonlyArray<string>
  /** Telemetry that was acknowledged and is not stored, or is stored or counted twice. */
  readonly telemetryWrong: ReadonlyArray<string>
  /** Backends that take no new write, or whose write does not reach hosted. */
  readonly stuck: ReadonlyArray<string>
  /** Processes that ended by themselves, writes refused. */
  readonly surprises: ReadonlyArray<string>
  readonly events: number
  /** From the end of the last fault to equal digests, milliseconds. */
  readonly quietMs: number
}

const quietWithinMs = 90_000

/** Everybody who wrote or looked while the faults struck. */
export interface People {
  readonly load: Load
  readonly readers: Readers
  readonly measuring: Measuring
  readonly typing: Typing | undefined
}

/** Wait until it is quiet, then look. Throws only what keeps it from looking. */
export const judge = async (stage: Stage, { load, measuring, readers, typing }: People): Promise<Judgement> => {
  const began = performance.now()
  const { damaged, hosted, hub, tenant } = stage
  const locals = [...stage.locals, ...stage.joined]
  const apart: Array<string> = []
  let why = ""
  const settle = (devices: ReadonlyArray<Backend>) =>
    until(async () => {
      try {
        await agreed(tenant, hub, devices, 2000)
        const digests = await Promise.all([...hosted, ...devices].map((backend) => digestOf(backend, tenant)))
        why = `the hosted processes do not show the same: ${JSON.stringify(digests)}`
        return new Set(digests.map(({ digest }) => digest)).size === 1
      } catch (error) {
        // one that ends and starts again does not answer for a moment
        why = String(error)
        return false
      }
    }, quietWithinMs, () => why).catch(async (error: Error) => void apart.push(error.message, ...await differences(hub, devices, tenant)))
  // reading everything again is what finds damage that nobody has come across yet
  if (damaged.log) await verified(hub, tenant)
  await settle(locals)
  const quietMs = performance.now() - began
  const held = await typing?.settle()
  const stuck = [...await stillWriting(stage), ...(held === undefined ? [] : [held])]
  const telemetryWrong = await measuring.judge()
  const found = new Map<string, Verified>()
  await until(async () => {
    for (const backend of [...stage.all, ...stage.joined]) found.set(backend.name, await verified(backend, tenant).catch(() => nothingVerified))
    return isWhole(found, damaged.log)
  }, 30_000).catch(() => {})
  await settle(locals)
  // what the hub's disk lost comes back when its authors have compared
  let count = 0
  let events: ReadonlyArray<LogEvent> = []
  let unread = ""
  const lost = () => {
    const ids = new Set(events.map(({ id }) => id))
    return load.acknowledged.filter(({ eventId }) => !ids.has(eventId))
  }
  await until(async () => {
    count = (await verified(hub, tenant)).events
    events = await eventsOf(hub, tenant, count)
    unread = ""
    return lost().length === 0
  }, damaged.log ? 30_000 : 0).catch((error: Error) => { unread = events.length === 0 ? error.message : "" })
  if (damaged.log && apart.length === 0) {
    const late = await stage.world.local("late")
    await stage.world.pair(hub, late)
    await settle([...locals, late])
  }
  apart.push(...await surfaceApart(stage, typing))
  const times = new Map<string, number>()
  for (const { data: { content } } of events) if (content !== undefined) times.set(content, (times.get(content) ?? 0) + 1)
  return {
    lost: [
      ...unread === "" ? [] : [`the log could not be read, so nothing is found in it: ${unread}`],
      ...lost().map(({ by, content, eventId }) => `${eventId} (${content}, acknowledged by ${by})`),
      ...typing?.typed.filter((content) => !times.has(content)).map((content) => `${content}: kept on a surface, and never in the log`) ?? []
    ],
    twice: [...doubled(events), ...[...times].filter(([, n]) => n > 1).map(([content, n]) => `${content}: ${n} times`)],
    problems: isWhole(found, damaged.log) ? [] : [...found].map(([name, { events, problems }]) => `${name}: ${events} events; ${JSON.stringify(problems).slice(0, 600)}`),
    apart,
    wentBack: readers.wentBack,
    telemetryWrong,
    stuck,
    surprises: stage.surprises,
    events: events.length,
    quietMs: Math.round(quietMs)
  }
}

/** Where devices show something else than hosted, in a few words. */
const differences = async (hub: Backend, devices: ReadonlyArray<Backend>, tenant: string): Promise<ReadonlyArray<string>> => {
  const linesOf = async (backend: Backend): Promise<ReadonlySet<string>> => {
    const asked = backend.side === "hosted" ? `?tenant=${tenant}` : ""
    const { json } = await backend.http<{ readonly conversations: ReadonlyArray<{ readonly conversation_id: string }> }>("GET", `/conversations${asked}`)
    const all = await Promise.all(json.conversations.map(({ conversation_id }) => shown(backend, conversation_id, tenant)))
    return new Set(all.flatMap(({ conversation_id, messages, title }) => [`${conversation_id} ${title}`, ...messages.map(({ content, id, version }) => `${conversation_id}/${id} ${version} ${content}`)]))
  }
  const there = await linesOf(hub).catch(() => new Set<string>())
  return (await Promise.all(devices.map(async (device) => {
    const here = await linesOf(device).catch(() => new Set<string>())
    return [...[...there].filter((line) => !here.has(line)).map((line) => `only hosted: ${line}`), ...[...here].filter((line) => !there.has(line)).map((line) => `only ${device.name}: ${line}`)].slice(0, 6)
  }))).flat()
}

/** Do all hold the same log, and is it without a flaw, unless the hub's disk has one? */
const isWhole = (found: ReadonlyMap<string, Verified>, isDamaged: boolean): boolean => {
  const reports = [...found.values()]
  return reports.every(({ events }) => events >= 0) && new Set(reports.map(({ events }) => events)).size === 1 && (isDamaged || reports.every(({ ok }) => ok))
}

/** The surface shows what hosted shows. */
const surfaceApart = async ({ hub, tenant }: Stage, typing: Typing | undefined): Promise<ReadonlyArray<string>> => {
  if (typing === undefined || typing.typed.length === 0) return []
  let seen = ""
  return await until(async () => {
    const { messages } = await shown(hub, typedConversation, tenant)
    const there = JSON.stringify(messages.map(({ content, id }) => [id, content]))
    const here = JSON.stringify(await typing.shown(typedConversation))
    seen = `hosted ${there.slice(0, 400)}, the surface ${here.slice(0, 400)}`
    return there === here
  }, 30_000).then(() => [], (error: Error) => [`the surface does not show what hosted shows: ${seen} (${error.message})`])
}

const nothingVerified: Verified = { ok: false, commits: 0, events: -1, problem_count: 0, problems: [] }

const writesWithinMs = 40_000

/** Everybody writes once more, and it has to reach hosted. */
const stillWriting = async (stage: Stage): Promise<ReadonlyArray<string>> => {
  const all = await Promise.all(stage.all.map(async (backend) => {
    let said = ""
    const write = async () => {
      const response = await fetch(`${backend.url()}/conversations/last/messages?wait=hosted&timeout_ms=5000`, {
        method: "POST",
        headers: { authorization: `Bearer ${stage.bearerFor(backend)}`, "content-type": "application/json" },
        body: JSON.stringify({ role: "user", content: `a last word of ${backend.name}: ${randomUUID()}` })
      }).catch(() => undefined)
      said = response === undefined ? "no answer" : `${response.status} ${await response.text()}`
      return said.startsWith("201") && said.includes("\"hosted\"")
    }
    return await until(write, writesWithinMs).then(() => [], () => [`${backend.name}: ${said}\n${backend.log().slice(-1500)}`])
  }))
  return all.flat()
}

export const isSound = ({ apart, lost, problems, stuck, surprises, telemetryWrong, twice, wentBack }: Judgement): boolean =>
  [apart, lost, problems, stuck, surprises, telemetryWrong, twice, wentBack].every((list) => list.length === 0)
