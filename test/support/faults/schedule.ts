import { random } from "../../property/projections/rig.ts"
import { type FaultKind, faultKinds, happenings } from "./kinds.ts"
import type { Shape, SurfaceKind } from "./stage.ts"

/** One fault, decided before the run begins. */
export interface Planned {
  readonly kind: string
  /** After the load began, milliseconds. */
  readonly atMs: number
  readonly holdMs: number
  /** For what is chosen only when it strikes. */
  readonly seed: number
}

export interface Plan {
  readonly seed: number
  readonly shape: Shape
  readonly loadMs: number
  readonly faults: ReadonlyArray<Planned>
}

/** A few faults hold for long: one in so many. */
const longOneIn = 20

/** Everything a seed decides: who takes part, what strikes, and when. */
export const planOf = (seed: number, can: (kind: FaultKind) => boolean): Plan => {
  const dice = random(seed)
  const [hosted, locals] = [dice.chance(0.5) ? 2 as const : 1 as const, dice.chance(0.4) ? 3 as const : 2 as const]
  const loadMs = 6000 + dice.below(4000)
  const kinds = faultKinds.filter(can)
  const weights = kinds.reduce((sum, { weight }) => sum + weight, 0)
  const pick = () => {
    let at = dice.below(weights)
    return kinds.find(({ weight }) => (at -= weight) < 0)!
  }
  const faults = Array.from({ length: 3 + dice.below(4) }, (): Planned => {
    const { holdMs: [usual, most], kind } = pick()
    const long = dice.below(longOneIn) === 0
    const holdMs = usual === most ? usual : long ? usual + dice.below(most - usual) : usual + dice.below(Math.min(most - usual, 2500))
    return { kind, atMs: 500 + dice.below(loadMs - 500), holdMs, seed: dice.below(2 ** 31) }
  }).sort((a, b) => a.atMs - b.atMs)
  return { seed, shape: { hosted, locals, ...aroundOf(seed, faults) }, loadMs, faults: [...faults, ...besidesOf(seed, loadMs)].sort((a, b) => a.atMs - b.atMs) }
}

/** What else happens, each in some runs: dice of its own, so that the faults of a seed stay. */
const besidesOf = (seed: number, loadMs: number): ReadonlyArray<Planned> => {
  const dice = random(Math.imul(seed + 2, 0x85ebca6b) >>> 0)
  return happenings.filter(({ weight }) => dice.below(10) < weight).map(({ kind }): Planned => ({ kind, atMs: 500 + dice.below(loadMs - 500), holdMs: 0, seed: dice.below(2 ** 31) }))
}

const surfaces: ReadonlyArray<SurfaceKind> = ["web", "ios", "android"]

/** Who writes from a phone or a browser, how much one may write, on which disks: dice of its own, so that the faults of a seed stay. */
const aroundOf = (seed: number, faults: Plan["faults"]): Pick<Shape, "surface" | "tight" | "smallDisks"> => {
  // far from the first dice, and each seed far from the next
  const dice = random(Math.imul(seed + 1, 0x9e3779b1) >>> 0)
  const surface = dice.pick(surfaces)
  const tight = dice.chance(0.3)
  // a companion lets go of what its sides hold, and the log's disk may lose it then: ARCHITECTURE.md, "Not yet"
  const isLogSpoiled = faults.some(({ kind }) => kind.startsWith("corrupt LOG"))
  const smallDisks = faults.some(({ kind }) => faultKinds.find((row) => row.kind === kind)?.needsDisks === true)
  return { surface: isLogSpoiled ? undefined : surface, tight, smallDisks }
}
