import type { NatsConnection } from "@nats-io/transport-node"
import { Result } from "effect"
import { subjects } from "../../../streams/subjects.ts"
import { parseCommit, unframe } from "../../../src/security/commit.ts"
import { quantile } from "../Row.ts"
import { type Device, nextCommit } from "./registered.ts"

/** What a stretch of steady writing gave. Times in milliseconds, from the moment a commit was due. */
export interface Stretch {
  readonly wanted_per_s: number
  readonly answered_per_s: number
  readonly commit_p50_ms: number
  readonly commit_p99_ms: number
  /** Until every watched mirror's server of that tenant had it, counted from the moment it was due. */
  readonly fan_out_p50_ms: number
  readonly fan_out_p99_ms: number
  /** The same from the hub's answer on: what the way back and the mirror's delivery cost. Below zero: it came first. */
  readonly behind_answer_p99_ms: number
  readonly commits: number
  readonly deliveries: number
  /** Verdicts other than `committed`. */
  readonly refused: Readonly<Record<string, number>>
}

export interface Peered {
  readonly device: Device
  readonly connection: NatsConnection
}

/** Every device writes in turn, evenly spread, so that all together write `perSecond` commits. */
export const writeSteadily = async (peers: ReadonlyArray<Peered>, watched: ReadonlySet<Peered>, perSecond: number, seconds: number): Promise<Stretch> => {
  const due = new Map<string, number>()
  const answeredAt = new Map<string, number>()
  /** By device and record: the first time it came. */
  const arrivals = new Map<string, readonly [digest: string, at: number]>()
  const subscriptions = [...watched].map(({ connection, device }) =>
    connection.subscribe(subjects.deliver(device.peer), {
      callback: (_, message) => {
        // the record ends a commit: whoever has it has all of it
        if (message.data.length === 0) return
        const parsed = message.data[0] === brace ? parseCommit(message.data) : undefined
        if (parsed === undefined || Result.isFailure(parsed)) return
        const key = `${device.peer} ${parsed.success.digest}`
        if (!arrivals.has(key)) arrivals.set(key, [parsed.success.digest, performance.now()])
      }
    }))
  await Promise.all([...watched].map(({ connection }) => connection.flush()))

  // signed before the clock runs: the devices that sign are other machines. No more than is sent, or the next would not follow
  const commits = Math.round(perSecond * seconds)
  const waiting = Array.from({ length: commits }, (_, n) => peers[n % peers.length]!).map((peer) => ({ peer, bytes: nextCommit(peer.device) }))
  const refused: Record<string, number> = {}
  const took: Array<number> = []
  const turns = new Map<Peered, Promise<void>>()
  const began = performance.now()
  const send = async ({ bytes, peer }: (typeof waiting)[number], dueAt: number) => {
    const digest = digestIn(bytes)
    due.set(digest, dueAt)
    const answer = await peer.connection.request(subjects.ingest(peer.device.tenant, peer.device.peer, "commit"), bytes, { timeout: 60_000 })
    const { verdict } = answer.json<{ readonly verdict: string }>()
    if (verdict !== "committed") refused[verdict] = (refused[verdict] ?? 0) + 1
    took.push(performance.now() - dueAt)
    answeredAt.set(digest, performance.now())
  }
  const sends: Array<Promise<void>> = []
  for (const [at, one] of waiting.entries()) {
    const dueAt = began + at * 1000 / perSecond
    const wait = dueAt - performance.now()
    if (wait > 1) await new Promise((done) => setTimeout(done, wait))
    // one commit in flight for each device, as its relay does
    const turn = (turns.get(one.peer) ?? Promise.resolve()).then(() => send(one, dueAt))
    turns.set(one.peer, turn)
    sends.push(turn)
  }
  await Promise.all(sends)
  const answeredFor = (performance.now() - began) / 1000
  await new Promise((done) => setTimeout(done, 2000))
  for (const subscription of subscriptions) subscription.unsubscribe()
  const delays = [...arrivals.values()].flatMap(([digest, at]) => due.has(digest) ? [at - due.get(digest)!] : [])
  const behind = [...arrivals.values()].flatMap(([digest, at]) => answeredAt.has(digest) ? [at - answeredAt.get(digest)!] : [])
  const rounded = (value: number) => Math.round(value * 10) / 10
  const of = (samples: ReadonlyArray<number>, share: number) => samples.length === 0 ? Number.NaN : rounded(quantile(samples, share))
  return {
    wanted_per_s: perSecond,
    answered_per_s: rounded(took.length / answeredFor),
    commit_p50_ms: of(took, 0.5), commit_p99_ms: of(took, 0.99),
    fan_out_p50_ms: of(delays, 0.5), fan_out_p99_ms: of(delays, 0.99),
    behind_answer_p99_ms: of(behind, 0.99),
    commits: took.length, deliveries: delays.length, refused
  }
}

const brace = 0x7b

const digestIn = (bytes: Uint8Array): string => {
  const record = Result.getOrThrow(unframe(bytes)).record
  return Result.getOrThrow(parseCommit(record)).digest
}
