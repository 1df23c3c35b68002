import { redact } from "../../src/privacy/redact.ts"

/** The longest content there is. */
const sizeMax = 512 * 1024

/** What makes a scanner look around, over and over. */
const hostile: ReadonlyArray<string> = [
  "a@", "@", "a.", "a@b.", "a@b.c", "a", "é", "\"@", "\"a\"@", "%40", "a%40", "&#64;", "(at)", "x(at)y[dot]z ", "a at b ", "a dot ", " at ", "mail a at b.co ",
  "write john at x.com ", "1", "1 ", "12 ", "1-", "1.", "1(", "4111 ", "4111-", "4 ", "123 45 ", "123 45 6789 ", "555-", "555-123-4567 ", "(555) ", "(", "+", "+1",
  "+9 ", "+1 555 123 4567 ", "+41 2 ", "+881 ", "+882 1 2 3 4 5 6 7 8 9 0 1 2 ", "00 41 ", "0041 1 2 3 4 5 6 7 8 9 ", "0494 92 82 32 ", "030 1234567, ",
  "123456789 ", "9 \n", "\n\n:", "1234567 ", "phone ", "phone 5551234 ", "Phone: 1 ", "x1 ", "1x", "1x1", "-a1", "a-1-", "123-456789 12345-6789 ", "[",
  "[REDACTED_", "[REDACTED_EMAIL]", "\u200b", "１", "٣", "𝟓", "电话13812345678", "\u{e0041}", "\ud800", "a@b.co ", "icon@2x.png "
]

/** What one process measured, in processor time: others on the machine do not count. */
export interface Speed {
  /** Milliseconds for 128 KiB and for 512 KiB of one fragment. */
  readonly hostile: ReadonlyArray<{ readonly part: string; readonly quarter: number; readonly whole: number }>
}

const milliseconds = (work: () => void, rounds: number): number => {
  let best = Infinity
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    work()
    const { system, user } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / 1000)
  }
  return best
}

const measure = (): Speed => {
  const costs = hostile.map((part) => {
    const text = part.repeat(Math.ceil(sizeMax / part.length)).slice(0, sizeMax)
    const short = text.slice(0, sizeMax / 4)
    return {
      part,
      quarter: milliseconds(() => redact(short, { defaultRegion: "DE" }), 2),
      whole: milliseconds(() => redact(text, { defaultRegion: "DE" }), 2)
    }
  })
  return { hostile: costs }
}

if (import.meta.main) process.stdout.write(JSON.stringify(measure()))
