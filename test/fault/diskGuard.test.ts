// Goal: the disk guard refuses before the disk is full, asks for room before it takes writes again, and rescues a server that answers without appending.
// Method: the decision as a table; the guard over the in-memory log whose appends go unanswered, on this machine's own disk.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { tmpdir } from "node:os"
import { type Disk, guardDisk, judge } from "../../src/nats/diskGuard.ts"
import { LogUnavailable } from "../../src/nats/EventLog.ts"
import { makeMemoryLog } from "../../src/nats/memoryLog.ts"
import { diskLowBytes, diskReserveBytes, diskResumeBytes } from "../../streams/limits.ts"

describe("disk guard", () => {
  const full: Disk = { state: "full", freeBytes: 0 }
  const cases: ReadonlyArray<readonly [string, Disk | undefined, number | null, Disk["state"]]> = [
    ["plenty", undefined, diskLowBytes, "ok"],
    ["getting low", undefined, diskLowBytes - 1, "low"],
    ["the reserve is touched", { state: "low", freeBytes: diskReserveBytes }, diskReserveBytes - 1, "full"],
    ["a little was freed", full, diskResumeBytes - 1, "full"],
    ["clearly room", full, diskResumeBytes, "low"],
    ["a system that does not say", full, null, "ok"]
  ]
  for (const [name, before, free, state] of cases) {
    it(name, () => assert.deepStrictEqual(judge(before, free), { state, freeBytes: free }))
  }

  it.live("starts a server again that answers everything but appends, and lets the append's own failure through", () =>
    Effect.gen(function*() {
      const log = yield* makeMemoryLog("LOG")
      const restarts = yield* Queue.unbounded<string>()
      const { guard } = yield* guardDisk({ directory: tmpdir(), server: { restart: Effect.asVoid(Queue.offer(restarts, "again")) } })
      const silent = guard({ ...log, append: () => Effect.fail(new LogUnavailable({ stream: "LOG", cause: new Error("no answer") })) })
      const error = yield* Effect.flip(silent.append([{ subject: "log.t.settings", data: new Uint8Array(1) }]))
      assert.strictEqual(error._tag, "LogUnavailable")
      assert.strictEqual(yield* Queue.take(restarts), "again")
    }))
})
