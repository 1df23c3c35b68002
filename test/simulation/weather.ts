import type { RateLimits } from "../../src/hosted/RateBudget.ts"
import type { Dice } from "../property/projections/rig.ts"

const unlimited: RateLimits = { syncsPerMinute: 1e6, telemetryPerMinute: 1e6, backlogBytesPerMinute: 1e12 }
/** So little that a busy minute passes it. */
const tight: RateLimits = { syncsPerMinute: 12, telemetryPerMinute: 20, backlogBytesPerMinute: 20_000 }

/** How bad it is in one schedule: the network, the disks, the clocks. All good when it has calmed down. */
export class Weather {
  calm = false
  readonly #dice: Dice
  readonly #loss: number
  readonly #repeats: number
  readonly #slow: number
  readonly #failing: number
  readonly #strikes: number
  /** What a peer may send in a minute. */
  readonly limits: RateLimits
  /** What machines' clocks count in, milliseconds: coarse ones make equal times common. */
  readonly tickMillis: number

  constructor(dice: Dice) {
    this.#dice = dice
    this.#loss = dice.pick([0, 0, 0.05, 0.3])
    this.#repeats = dice.pick([0, 0.1, 0.3])
    this.#slow = dice.pick([0, 0.05, 0.3])
    this.#failing = dice.pick([0, 0, 0.03])
    this.#strikes = dice.pick([0, 0, 0.001, 0.01])
    this.limits = dice.pick([unlimited, unlimited, tight])
    this.tickMillis = dice.pick([1, 100, 10_000, 60_000])
  }

  lost(): boolean {
    return !this.calm && this.#dice.chance(this.#loss)
  }

  repeated(): boolean {
    return !this.calm && this.#dice.chance(this.#repeats)
  }

  /** A store does not answer; whether it wrote stays unknown. */
  failing(): boolean {
    return !this.calm && this.#dice.chance(this.#failing)
  }

  /** A process dies right here, at something it waited for. */
  strikes(): boolean {
    return !this.calm && this.#dice.chance(this.#strikes)
  }

  /** Milliseconds until a message is there, often enough for others to overtake it. */
  latency(): number {
    return !this.calm && this.#dice.chance(this.#slow) ? 1 + this.#dice.below(3000) : 1 + this.#dice.below(8)
  }

  /** Milliseconds a disk takes. */
  disk(): number {
    return 1 + this.#dice.below(3)
  }
}
