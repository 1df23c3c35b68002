import { existsSync, readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { Effect } from "effect"
import { makeHeldLink } from "./heldLink.ts"
import { done, type History, type ImportDone, type Said, shown as shownOn, statusOf } from "./linked.ts"
import { freePort } from "./natsServer.ts"
import { agreed, type Backend, digestOf, until, type World } from "./world.ts"

const data = (name: string) => new URL(`../../../shared/data/lww/clownschool_${name}`, import.meta.url)
export const isThere = existsSync(data("schedule.jsonl.gz"))

/** One write of the schedule: three people editing one text, each write to the register `key`. */
export interface Planned {
  readonly i: number
  readonly agent: number
  readonly lamport: number
  readonly key: string
}

export const schedule = (): ReadonlyArray<Planned> =>
  gunzipSync(readFileSync(data("schedule.jsonl.gz"))).toString("utf8").trimEnd().split("\n").map((line) => JSON.parse(line))
export const expectedWinners = (): Readonly<Record<string, { readonly i: number; readonly lamport: number; readonly agent: number }>> =>
  JSON.parse(readFileSync(data("expected_winners.json"), "utf8"))

/** The write of each register with the greatest lamport; in this schedule no two share it. */
export const winnersOf = (writes: ReadonlyArray<Planned>): ReadonlyMap<string, Planned> => {
  const winners = new Map<string, Planned>()
  for (const write of writes) if (write.lamport > (winners.get(write.key)?.lamport ?? 0)) winners.set(write.key, write)
  return winners
}

/** Writes with lamports in one interval: each agent makes its own, one after the other, without hearing of the others'. */
export type Round = ReadonlyArray<ReadonlyArray<Planned>>

/**
 * The schedule in rounds. An agent's lamports rise one by one until it hears of a greater one; a round begins wherever
 * any agent's jump. Whoever has heard all earlier rounds and nothing of this one stamps exactly as the schedule says.
 */
export const roundsOf = (writes: ReadonlyArray<Planned>): ReadonlyArray<Round> => {
  const own = [0, 0, 0]
  const starts = new Set<number>()
  for (const { agent, lamport } of writes) {
    if (lamport !== own[agent]! + 1) starts.add(lamport)
    own[agent] = lamport
  }
  const sorted = [...starts, 1].sort((a, b) => a - b)
  const rounds = sorted.map((): Array<Array<Planned>> => [[], [], []])
  for (const write of writes) {
    let low = 0
    let high = sorted.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (sorted[middle]! <= write.lamport) low = middle
      else high = middle
    }
    rounds[low]![write.agent]!.push(write)
  }
  return rounds.filter((round) => round.some((part) => part.length > 0))
}

export const conversation = "clownschool"
export const contentOf = (write: { readonly i: number }) => `write ${write.i}`

export interface Stage {
  readonly tenant: string
  readonly hosted: Backend
  /** In the order of their backend ids: agent 0, 1, 2. */
  readonly agents: ReadonlyArray<Backend>
  readonly play: (rounds: ReadonlyArray<Round>, told?: (round: number) => void) => Promise<void>
  /** Lamports before the first write: those of the registrations. */
  readonly lamportBefore: number
  readonly waited: () => number
}

/** Three locals of one user on one hub, and the door in front of it. */
export const makeStage = async (world: World): Promise<Stage & { readonly close: () => void }> => {
  const leafPort = await Effect.runPromise(freePort)
  const link = await makeHeldLink(() => leafPort)
  const hosted = await world.hosted("hosted", { leafPort, leafUrl: `nats-leaf://127.0.0.1:${link.port}` })
  const locals = await Promise.all(["a", "b", "c"].map((name) => world.local(name)))
  let tenant = ""
  for (const local of locals) tenant = await world.pair(hosted, local)
  await agreed(tenant, hosted, locals)
  const statuses = await Promise.all(locals.map(async (local) => ({ local, status: await statusOf(local) })))
  statuses.sort((x, y) => x.status.backend_id < y.status.backend_id ? -1 : 1)
  const agents = statuses.map(({ local }) => local)
  const peers = statuses.map(({ status }) => status.peer_id ?? "")
  // the first write shows where the lamports stand; it is none of the schedule's
  const first = await done<Said>(agents[0]!, "POST", "/conversations/before/messages", { role: "user", content: "before" })
  await agreed(tenant, hosted, agents)

  const heardAll = async () => {
    await until(async () => (await Promise.all(agents.map(statusOf))).every(({ pending }) => pending === 0), 30_000, () => "not all was sent")
    const { log } = await done<{ readonly log: { readonly last_seq: number } }>(hosted, "GET", "/status")
    await until(async () => (await Promise.all(agents.map(statusOf))).every(({ mirror_seq }) => mirror_seq >= log.last_seq), 30_000, () => "not all was heard")
  }
  const play: Stage["play"] = async (rounds, told) => {
    for (const [at, round] of rounds.entries()) {
      const active = round.flatMap((part, agent) => part.length > 0 ? [agent] : [])
      const alone = active.length === 1
      if (!alone) for (const agent of active) link.hold(peers[agent]!)
      await Promise.all(active.map(async (agent) => {
        const messages = round[agent]!.map((write) => ({ id: write.key, role: "user", content: contentOf(write) }))
        const imported = await done<ImportDone>(agents[agent]!, "POST", "/import", `${JSON.stringify({ conversation_id: conversation, messages })}\n`)
        if (imported.events !== messages.length) throw new Error(`round ${at}: ${imported.events} events of ${messages.length} writes`)
      }))
      if (!alone) for (const agent of active) link.release(peers[agent]!)
      await heardAll()
      told?.(at + 1)
    }
  }
  return { tenant, hosted, agents, play, lamportBefore: first.stamp.lamport, waited: link.waited, close: link.close }
}

/** What came of it: every write's stamp on one backend, the shown value of each register on all, and whether they agree. */
export const outcome = async ({ agents, hosted, lamportBefore, tenant }: Stage, keys: Iterable<string>) => {
  await agreed(tenant, hosted, agents)
  const sources = await Promise.all(agents.map(async (agent) => (await statusOf(agent)).backend_id))
  const stamped = new Map<string, { readonly lamport: number; readonly agent: number }>()
  for (const key of keys) {
    for (const { content, stamp } of (await done<History>(hosted, "GET", `/conversations/${conversation}/messages/${key}/history?tenant=${tenant}`)).writes) {
      stamped.set(content ?? "", { lamport: stamp.lamport - lamportBefore, agent: sources.indexOf(stamp.source) })
    }
  }
  const shown = await Promise.all([...agents, hosted].map(async (backend) => {
    const { messages } = await shownOn(backend, conversation, tenant)
    return new Map(messages.map(({ content, id }) => [id, content] as const))
  }))
  return { stamped, shown, digests: await Promise.all([...agents, hosted].map((backend) => digestOf(backend, tenant))) }
}
