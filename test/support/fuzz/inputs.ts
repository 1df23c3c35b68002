/** Bad input, made from good: the same seed makes the same inputs. */
export interface Dice {
  /** 0 … below - 1. */
  readonly roll: (below: number) => number
  readonly pick: <A>(from: ReadonlyArray<A>) => A
}

/** Marsaglia's xorshift: quick, and good enough to be odd with. */
export const diceOf = (seed: number): Dice => {
  let state = (seed * 2654435761 >>> 0) || 1
  const roll = (below: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
  return { roll, pick: (from) => from[roll(from.length)]! }
}

const deep = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels))

/** What breaks programs: edges of numbers, of Unicode, of types, and names that mean something to JavaScript. */
const nasty: ReadonlyArray<(dice: Dice) => unknown> = [
  () => null, () => true, () => "", () => [], () => ({}),
  ({ pick }) => pick([0, -1, -0, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 32, 2 ** 48, 2 ** 53, 2 ** 53 - 1, 1e21, 5e-324]),
  ({ pick }) => pick(["\u0000", "\ud800", "\udc00x", "\u202e", "\ufeff", "a\r\nb", "..", "*", ">", "a.b", "__proto__", "constructor", "NaN", "null", "'; drop table event; --", "%00", "%2e%2e%2f"]),
  ({ pick }) => pick(["2026-02-30T00:00:00.000Z", "9999-99-99T99:99:99.999Z", "2026-11-22T10:00:00Z", "-000001-01-01T00:00:00.000Z", "0000-00-00T00:00:00.000Z"]),
  ({ pick, roll }) => pick(["x", "é", "😀", "\n", "\""]).repeat(roll(70_000)),
  ({ roll }) => deep(1 + roll(2000)),
  ({ roll }) => Array.from({ length: roll(2000) }, (_, i) => i),
  ({ roll }) => Object.fromEntries(Array.from({ length: roll(300) }, (_, i) => [`k${i}`, i])),
  () => JSON.parse("{\"__proto__\":{\"polluted\":true},\"constructor\":{\"prototype\":{}}}")
]

/** The same value with one place in it replaced, removed, doubled or renamed. */
export const bent = (dice: Dice, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || dice.roll(6) === 0) return dice.pick(nasty)(dice)
  if (Array.isArray(value)) {
    if (value.length === 0) return [dice.pick(nasty)(dice)]
    const at = dice.roll(value.length)
    const one = dice.roll(4)
    return one === 0 ? value.toSpliced(at, 1) : one === 1 ? [...value, ...value.slice(at)] : value.with(at, bent(dice, value[at]))
  }
  const entries: ReadonlyArray<readonly [string, unknown]> = Object.entries(value)
  if (entries.length === 0) return { x: dice.pick(nasty)(dice) }
  const at = dice.roll(entries.length)
  const [key, held] = entries[at]!
  switch (dice.roll(8)) {
    case 0:
      return Object.fromEntries(entries.filter((_, i) => i !== at))
    case 1:
      return { ...value, [dice.pick(["__proto__", "toString", "", "signature", "x".repeat(500), key.toUpperCase()])]: held }
    default:
      return Object.fromEntries(entries.map(([name, kept], i) => [name, i === at ? bent(dice, kept) : kept] as const))
  }
}

/** The same bytes with some of them changed, cut out, put in or said twice. */
export const spoiled = (dice: Dice, bytes: Uint8Array): Uint8Array => {
  const out = Array.from(bytes.length > 20_000 ? bytes.subarray(0, 20_000) : bytes)
  for (let changes = 1 + dice.roll(8); changes > 0; changes--) {
    const at = dice.roll(out.length + 1)
    switch (dice.roll(6)) {
      case 0:
        out.splice(at, 1 + dice.roll(40))
        break
      case 1:
        out.splice(at, 0, ...Array.from({ length: 1 + dice.roll(40) }, () => dice.roll(256)))
        break
      case 2:
        out.splice(at, 0, ...out.slice(at, at + dice.roll(200)))
        break
      case 3:
        out.length = at
        break
      default:
        if (at < out.length) out[at] = dice.roll(3) === 0 ? dice.pick([0, 0x22, 0x2c, 0x5b, 0x7b, 0x7d, 0x80, 0xff]) : out[at]! ^ (1 << dice.roll(8))
    }
  }
  return Uint8Array.from(out)
}

export const noise = (dice: Dice): Uint8Array => Uint8Array.from({ length: dice.roll(600) }, () => dice.roll(256))
