import { Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Entry } from "../../../projections/Entry.ts"
import type { Projection } from "../../../projections/Projection.ts"
import { allProjections } from "../../../projections/projections.ts"
import { Projections } from "../../../projections/runner.ts"
import { Sqlite } from "../../../projections/Sqlite.ts"
import type { Fact } from "../../../streams/catalog.ts"
import { type Opened, plain } from "../../../streams/Envelope.ts"

export const tenant = "self"

/** An empty folder that goes when the test ends. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "projections-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A database of its own for one run. */
export const database = (projections: ReadonlyArray<Projection> = allProjections) =>
  Layer.unwrap(Effect.map(temporaryFolder, (folder) => databaseAt(join(folder, "projections.db"), projections)))

export const databaseAt = (path: string, projections: ReadonlyArray<Projection> = allProjections) =>
  Projections.layer(projections).pipe(Layer.provideMerge(Sqlite.layer({ path })))

/** A random number generator that a printed seed replays. */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    chance: (probability: number): boolean => next() < probability,
    pick: <A>(from: ReadonlyArray<A>): A => from[below(from.length)]!,
    shuffled: <A>(from: ReadonlyArray<A>): Array<A> => {
      const out = [...from]
      for (let i = out.length - 1; i > 0; i--) {
        const j = below(i + 1)
        const held = out[i]!
        out[i] = out[j]!
        out[j] = held
      }
      return out
    }
  }
}
export type Dice = ReturnType<typeof random>

export const sourceOf = (n: number, platform = "local"): string => `${platform}_sha256_${n.toString(16).padStart(64, "0")}`
export const timeOf = (second: number): string => new Date(Date.UTC(2026, 10, 22, 10, 0, second)).toISOString()
/** A well-formed event id; the random part scatters them as real ones are. */
export const uuidOf = (n: number): string => {
  const scattered = (Math.imul(n + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0")
  return `01930000-${(n >>> 16 & 0xffff).toString(16).padStart(4, "0")}-7${(n & 0xfff).toString(16).padStart(3, "0")}-8000-${scattered}${(n & 0xffff).toString(16).padStart(4, "0")}`
}

export const event = (
  fact: Fact,
  about: { readonly id: number; readonly source: string; readonly lamport: number; readonly time?: string; readonly subject: string; readonly surface?: string }
): Opened => ({
  fact,
  envelope: plain(fact, {
    id: uuidOf(about.id),
    source: about.source,
    time: about.time ?? timeOf(about.id % 60),
    subject: about.subject,
    lamport: about.lamport,
    surface: about.surface ?? "cli"
  })
})

export const fromLog = (seq: number, opened: Opened): Entry => ({ kind: "event", log: "log", seq, tenant, opened, own: false })
export const fromJournal = (seq: number, opened: Opened): Entry => ({ kind: "event", log: "journal", seq, tenant, opened, own: true })

export const appended = (message_id: string, content: string): Fact => ({
  type: "message.appended",
  data: { message_id, role: "user", content, timestamp: "2026-11-22T10:00:00Z" }
})

/** Offer two inputs in batches cut anywhere, interleaved anyhow, some of them twice. Entries of one seq stay together. */
export const feed = Effect.fnUntraced(function*(dice: Dice, inputs: Readonly<Record<string, ReadonlyArray<Entry>>>, batchMax = 7) {
  const projections = yield* Projections
  const left = Object.entries(inputs).map(([cursor, entries]) => ({ cursor, groups: bySeq(entries) }))
  while (left.some(({ groups }) => groups.length > 0)) {
    const { cursor, groups } = dice.pick(left.filter((input) => input.groups.length > 0))
    const size = 1 + dice.below(batchMax)
    const entries = groups.slice(0, size).flat()
    yield* projections.absorb({ cursor, epoch: "1", entries })
    // a crash between the commit and the reader's note of it: the same again, and perhaps more
    if (!dice.chance(0.2)) groups.splice(0, size)
  }
})

const bySeq = (entries: ReadonlyArray<Entry>): Array<ReadonlyArray<Entry>> => {
  const groups = new Map<number, Array<Entry>>()
  for (const entry of entries) groups.set(entry.seq, [...groups.get(entry.seq) ?? [], entry])
  return [...groups.values()]
}
