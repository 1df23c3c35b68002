// Goal: no text is slow: four times the length costs about four times the time. How fast ordinary text passes, the benchmark says.
// Method: 512 KiB of every fragment that makes a scanner look around, against a quarter of it, in a process of its own:
// inside the test runner every call between files costs several times what it costs in the product.
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import type { Speed } from "./speed.ts"

const measured = (): Speed => JSON.parse(execFileSync(process.execPath, [fileURLToPath(new URL("speed.ts", import.meta.url))], { encoding: "utf8" })) as Speed

describe("redact", () => {
  it("takes no text by surprise", () => {
    const { hostile } = measured()
    assert.isAbove(hostile.length, 50)
    for (const { part, quarter, whole } of hostile) {
      // quadratic would be 16; small times are mostly noise
      assert.isTrue(whole < 60 || whole / quarter < 9, `${JSON.stringify(part)}: ${quarter} ms, four times as much ${whole} ms`)
      assert.isBelow(whole, 2000, JSON.stringify(part))
    }
  }, 120_000)
})
