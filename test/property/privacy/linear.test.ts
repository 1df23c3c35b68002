// Goal: no text is slow: twice the length costs about twice the time, and ordinary text passes at 20 MB/s and more.
// Method: 512 KiB of every fragment that makes a scanner look around, timed against a quarter of it, in processor time.
import { assert, describe, it } from "@effect/vitest"
import { redact } from "../../../src/privacy/redact.ts"

const sizeMax = 512 * 1024

const hostile: ReadonlyArray<string> = [
  "a@", "@", "a.", "a@b.", "a@b.c", "a", "é", "\"@", "\"a\"@", "%40", "a%40", "&#64;", "(at)", "x(at)y[dot]z ", "a at b ", "a dot ", " at ", "mail a at b.co ",
  "write john at x.com ", "1", "1 ", "12 ", "1-", "1.", "1(", "4111 ", "4111-", "4 ", "123 45 ", "123 45 6789 ", "555-", "555-123-4567 ", "(555) ", "(", "+", "+1",
  "+9 ", "+1 555 123 4567 ", "+41 2 ", "+881 ", "+882 1 2 3 4 5 6 7 8 9 0 1 2 ", "00 41 ", "0041 1 2 3 4 5 6 7 8 9 ", "0494 92 82 32 ", "030 1234567, ",
  "123456789 ", "9 \n", "\n\n:", "1234567 ", "phone ", "phone 5551234 ", "Phone: 1 ", "x1 ", "1x", "1x1", "-a1", "a-1-", "123-456789 12345-6789 ", "[",
  "[REDACTED_", "[REDACTED_EMAIL]", "\u200b", "１", "٣", "𝟓", "电话13812345678", "\u{e0041}", "\ud800", "a@b.co ", "icon@2x.png "
]

/** Processor milliseconds, the better of two: other processes on the machine do not count. */
const cost = (text: string, defaultRegion: string | undefined): number => {
  let best = Infinity
  for (let round = 0; round < 2; round++) {
    const before = process.cpuUsage()
    redact(text, { defaultRegion })
    const { system, user } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / 1000)
  }
  return best
}

describe("redact", () => {
  it.each([undefined, "DE"])("takes no text by surprise (region %s)", (region) => {
    for (const part of hostile) {
      const text = part.repeat(Math.ceil(sizeMax / part.length)).slice(0, sizeMax)
      const quarter = cost(text.slice(0, sizeMax / 4), region)
      const whole = cost(text, region)
      // quadratic would be 16; small times are mostly noise
      assert.isTrue(whole < 60 || whole / quarter < 9, `${JSON.stringify(part)}: ${quarter} ms, four times as much ${whole} ms`)
      assert.isBelow(whole, 2500, JSON.stringify(part))
    }
  }, 120_000)

  it("passes 20 MB of ordinary text a second", () => {
    const prose = "Thanks, that worked! I moved the call into a layer (see src/main.ts, line 42) and the 3 tests that failed before are green now. " +
      "It took 17 minutes at $15.13; version 2.6.10 of the driver, released on 2026-11-22, is fine. Could you look at 10.0.0.2 as well?\n"
    const texts = [prose.repeat(2000), ...Array.from({ length: 2000 }, () => prose)]
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
    let best = 0
    for (let round = 0; round < 8; round++) {
      const before = process.cpuUsage()
      for (const text of texts) assert.strictEqual(redact(text).spans.length, 0)
      const { system, user } = process.cpuUsage(before)
      best = Math.max(best, bytes / (user + system))
    }
    assert.isAbove(best, 20, "MB/s")
  })
})
