// Goal: commits of many authors share one batch, each exactly once; one author's trouble is only that author's.
// Method: the committer over a log in memory that fences, fails, forgets to answer and fills up; every outcome as told.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { type Append, type AppendError, LogFull, LogRefused, LogUnavailable } from "../../src/nats/EventLog.ts"
import { makeMemoryLog, type MemoryLog, type MemoryLogOptions } from "../../src/nats/memoryLog.ts"
import { makeCommitter, type Ready, share } from "../../src/hosted/Committer.ts"
import { batchMessagesMax, ingestWaitingMaxBytes, payloadMaxBytes } from "../../streams/limits.ts"
import { all, shown } from "../support/messages.ts"

const bytesOf = (text: string) => Buffer.from(text)
/** A commit of `author`: its events, then its record on top of `expectedLast`. */
const commitOf = (author: string, expectedLast: number, events = 1, bytes = 10): Ready => ({
  chain: `t.${author}`,
  bytes,
  messages: [
    ...Array.from({ length: events }, (_, n): Append => ({ subject: `log.t.conv.${author}`, data: bytesOf(`${author}${n}`) })),
    { subject: `log.t.commit.${author}`, data: bytesOf(`C(${author})`), expectedLast }
  ]
})

/** A committer that takes its first group only when everybody has queued. */
const makeRig = (options: MemoryLogOptions = {}) =>
  Effect.gen(function*() {
    const log: MemoryLog = yield* makeMemoryLog("LOG", options)
    const appends: Array<number> = []
    const counted: MemoryLog = { ...log, append: (batch) => Effect.suspend(() => { appends.push(batch.length); return log.append(batch) }) }
    const asked: Array<string> = []
    const committer = yield* makeCommitter(counted, (chain) => {
      asked.push(chain)
      const author = chain.split(".")[1]!
      return Effect.map(log.last(`log.t.commit.${author}`), (last) => last._tag === "Some" ? last.value.seq : 0).pipe(Effect.orElseSucceed(() => undefined))
    })
    const together = (...commits: ReadonlyArray<Ready>) =>
      Effect.gen(function*() {
        const waiting = yield* Effect.forEach(commits, (ready) => Effect.forkChild(committer.commit(ready), { startImmediately: true }))
        const running = yield* Effect.forkChild(committer.run)
        const outcomes = yield* Effect.forEach(waiting, Fiber.join)
        yield* Fiber.interrupt(running)
        return outcomes
      })
    const held = Effect.map(all(log), (events) => events.map(shown))
    return { log, committer, together, appends, asked, held }
  })

describe("sharing a batch", () => {
  const one = (chain: string, messages: number, bytes = 1): Ready => ({ chain, bytes, messages: Array.from({ length: messages }, () => ({ subject: "s", data: new Uint8Array() })) })
  const chains = (ready: ReadonlyArray<Ready>) => ready.map(({ chain }) => chain)

  it("takes one commit of each chain, first come first served, an author's own in order", () => {
    const { group, rest } = share([one("a", 2), one("b", 2), one("a", 1), one("c", 2), one("a", 3)])
    assert.deepStrictEqual(chains(group), ["a", "b", "c"])
    assert.deepStrictEqual(rest.map(({ messages }) => messages.length), [1, 3])
  })

  it("never lets a later commit of a chain pass an earlier one that did not fit", () => {
    const { group, rest } = share([one("a", batchMessagesMax - 1), one("b", 2), one("b", 1)])
    assert.deepStrictEqual(chains(group), ["a"])
    assert.deepStrictEqual(rest.map(({ messages }) => messages.length), [2, 1])
  })

  it("ends at the messages and the bytes of one batch; what is larger than both goes alone", () => {
    assert.deepStrictEqual(chains(share([one("a", batchMessagesMax - 1), one("b", 1), one("c", 1)]).group), ["a", "b"])
    assert.deepStrictEqual(chains(share([one("a", 1, payloadMaxBytes), one("b", 1, payloadMaxBytes), one("c", 1, 1)]).group), ["a", "b"])
    const { group, rest } = share([one("a", batchMessagesMax + 1, 3 * payloadMaxBytes), one("b", 1)])
    assert.deepStrictEqual([chains(group), chains(rest)], [["a"], ["b"]])
  })

  it("of nothing is nothing", () => assert.deepStrictEqual(share([]), { group: [], rest: [] }))
})

describe("the committer", () => {
  it.effect("brings several authors' commits into one batch, and tells each its own place", () =>
    Effect.gen(function*() {
      const { appends, held, together } = yield* makeRig()
      const outcomes = yield* together(commitOf("a", 0), commitOf("b", 0, 2), commitOf("c", 0, 0))
      assert.deepStrictEqual(outcomes, [{ _tag: "committed", first: 1, last: 2 }, { _tag: "committed", first: 3, last: 5 }, { _tag: "committed", first: 6, last: 6 }])
      assert.deepStrictEqual(appends, [6])
      assert.deepStrictEqual(yield* held, ["1 log.t.conv.a a0", "2 log.t.commit.a C(a)", "3 log.t.conv.b b0", "4 log.t.conv.b b1", "5 log.t.commit.b C(b)", "6 log.t.commit.c C(c)"])
    }))

  it.effect("drops only the author whose chain has moved on", () =>
    Effect.gen(function*() {
      const { appends, asked, held, log, together } = yield* makeRig()
      yield* log.append([{ subject: "log.t.commit.b", data: bytesOf("by another process") }])
      const outcomes = yield* together(commitOf("a", 0), commitOf("b", 0), commitOf("c", 0))
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["committed", "fenced", "committed"])
      assert.deepStrictEqual(appends, [6, 4])
      assert.deepStrictEqual(asked, ["t.a", "t.b", "t.c"])
      assert.strictEqual((yield* held).filter((line) => line.includes(" b0")).length, 0)
      assert.deepStrictEqual(yield* together(commitOf("b", 1)), [{ _tag: "committed", first: 6, last: 7 }])
    }))

  it.effect("tells a lone stale author without asking for heads", () =>
    Effect.gen(function*() {
      const { asked, log, together } = yield* makeRig()
      yield* log.append([{ subject: "log.t.commit.a", data: bytesOf("x") }])
      assert.deepStrictEqual(yield* together(commitOf("a", 0)), [{ _tag: "fenced" }])
      assert.deepStrictEqual(asked, [])
    }))

  it.effect("where all but one are stale, writes that one; where all are, nothing", () =>
    Effect.gen(function*() {
      const { held, log, together } = yield* makeRig()
      yield* log.append([{ subject: "log.t.commit.a", data: bytesOf("x") }, { subject: "log.t.commit.b", data: bytesOf("x") }])
      assert.deepStrictEqual((yield* together(commitOf("a", 0), commitOf("b", 0))).map(({ _tag }) => _tag), ["fenced", "fenced"])
      assert.deepStrictEqual((yield* together(commitOf("a", 0), commitOf("b", 2))).map(({ _tag }) => _tag), ["fenced", "committed"])
      assert.strictEqual((yield* held).length, 4)
    }))

  it.effect("writes an author's waiting commits one after the other", () =>
    Effect.gen(function*() {
      const { appends, together } = yield* makeRig()
      const outcomes = yield* together(commitOf("a", 0), commitOf("a", 2), commitOf("a", 4))
      assert.deepStrictEqual(outcomes, [{ _tag: "committed", first: 1, last: 2 }, { _tag: "committed", first: 3, last: 4 }, { _tag: "committed", first: 5, last: 6 }])
      assert.deepStrictEqual(appends, [2, 2, 2])
    }))

  it.effect("says `unknown` where the server did not, whether it wrote or not", () =>
    Effect.gen(function*() {
      const lost = Effect.fail(new LogUnavailable({ stream: "LOG", cause: "no answer" }))
      for (const [faults, messages] of [[{ after: lost }, 2], [{ before: lost }, 0]] as const) {
        const { held, together } = yield* makeRig({ faults })
        assert.deepStrictEqual(yield* together(commitOf("a", 0)), [{ _tag: "unknown" }])
        assert.strictEqual((yield* held).length, messages)
      }
    }))

  it.effect("says `full` to all of a group, and goes on when there is room again", () =>
    Effect.gen(function*() {
      let full = true
      const before = Effect.suspend((): Effect.Effect<void, AppendError> => full ? Effect.fail(new LogFull({ stream: "LOG", hint: "" })) : Effect.void)
      const { together } = yield* makeRig({ faults: { before } })
      assert.deepStrictEqual(yield* together(commitOf("a", 0), commitOf("b", 0)), [{ _tag: "full" }, { _tag: "full" }])
      full = false
      assert.deepStrictEqual((yield* together(commitOf("a", 0), commitOf("b", 0))).map(({ _tag }) => _tag), ["committed", "committed"])
    }))

  it.effect("finds the one the server will never take, and commits the others", () =>
    Effect.gen(function*() {
      const { held, log } = yield* makeRig()
      const picky: MemoryLog = { ...log, append: (batch) => batch.some(({ data }) => Buffer.from(data).toString() === "C(b)") ? Effect.fail(new LogRefused({ stream: "LOG", code: 1, why: "never" })) : log.append(batch) }
      const committer = yield* makeCommitter(picky, (chain) => Effect.sync(() => chain === "" ? 0 : undefined))
      const waiting = yield* Effect.forEach([commitOf("a", 0), commitOf("b", 0), commitOf("c", 0)], (ready) => Effect.forkChild(committer.commit(ready), { startImmediately: true }))
      yield* Effect.forkChild(committer.run)
      const outcomes = yield* Effect.forEach(waiting, Fiber.join)
      assert.deepStrictEqual(outcomes.map((outcome) => outcome._tag === "refused" ? outcome.why : outcome._tag), ["committed", "never", "committed"])
      assert.strictEqual((yield* held).length, 4)
    }))

  it.effect("is `busy` at its limit of waiting bytes, and takes more when some have gone", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const { committer } = yield* makeRig({ faults: { before: Deferred.await(go) } })
      yield* Effect.forkChild(committer.run)
      const half = ingestWaitingMaxBytes / 2
      const waiting = yield* Effect.forEach([commitOf("a", 0, 1, half), commitOf("b", 0, 1, half)], (ready) => Effect.forkChild(committer.commit(ready), { startImmediately: true }))
      assert.deepStrictEqual(yield* committer.commit(commitOf("c", 0, 1, 1)), { _tag: "busy" })
      yield* Deferred.succeed(go, undefined)
      for (const fiber of waiting) assert.strictEqual((yield* Fiber.join(fiber))._tag, "committed")
      assert.strictEqual((yield* committer.commit(commitOf("c", 0, 1, half)))._tag, "committed")
    }))
})
