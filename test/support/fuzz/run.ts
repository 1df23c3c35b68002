import { decoders, inputFor } from "./decoders.ts"
import { diceOf } from "./inputs.ts"

/** One input takes no longer, milliseconds: what takes longer is a hang somebody can cause. */
const inputMillisMax = 2000

export interface Fuzzed {
  readonly inputs: number
  readonly accepted: number
  readonly slowestMillis: number
  /** `<decoder>: …` of each input that did what none may. */
  readonly failures: ReadonlyArray<string>
}

/** Give every decoder its share of `inputs`, in turn; the same seed gives the same. */
export const fuzz = (inputs: number, seed: number, told: (done: number) => void = () => {}): Fuzzed => {
  const failures: Array<string> = []
  let accepted = 0
  let slowestMillis = 0
  for (let n = 0; n < inputs; n++) {
    const decoder = decoders[n % decoders.length]!
    const input = inputFor(decoder, diceOf(seed + n))
    const before = performance.now()
    try {
      if (decoder.take(input)) accepted++
    } catch (thrown) {
      failures.push(`${decoder.name}: seed ${seed + n}: ${String(thrown).slice(0, 200)}: ${Buffer.from(input).toString("base64").slice(0, 400)}`)
    }
    const took = performance.now() - before
    slowestMillis = Math.max(slowestMillis, took)
    // a hang is one again; a moment in which this machine did something else is not
    if (took > inputMillisMax && millisOf(() => decoder.take(input)) > inputMillisMax) failures.push(`${decoder.name}: seed ${seed + n}: took ${Math.round(took)} ms`)
    if (failures.length > 20) break
    if (n % 10_000 === 9999) told(n + 1)
  }
  return { inputs, accepted, slowestMillis, failures }
}

const millisOf = (take: () => unknown): number => {
  const before = performance.now()
  try {
    take()
  } catch {
    // named already
  }
  return performance.now() - before
}
