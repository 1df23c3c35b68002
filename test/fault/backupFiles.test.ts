// Goal: a backup is complete or not there: interrupted, cut short or damaged it is never taken for one.
// Method: parts as streams that end, stop or fail, written into a temporary folder; then the files are changed on the disk.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chooseSets, findSets, verifySet } from "../../src/hosted/backupFiles.ts"
import { nextEpoch } from "../../src/hosted/restore.ts"
import { writeBackup } from "../../src/hosted/writeBackup.ts"
import type { BackupPlan, BackupRow } from "../../streams/Backup.ts"

const plan: BackupPlan = {
  backend_id: "hosted_sha256_1", log_id: "log", log_epoch: 1, nats_server: "2.15.1",
  parts: [{ name: "LOG_0", keys: false }, { name: "LOG_1", keys: false }, { name: "KV_TENANTS", keys: true }]
}
const whole = (name: string): Stream.Stream<BackupRow> =>
  Stream.make<[BackupRow, BackupRow, BackupRow]>({ head: { config: { name }, state: {} }, of: 4 }, { data: Buffer.from(`bytes of ${name}`).toString("base64") }, { whole: true })

const folder = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-backup-"))), (dir) => Effect.sync(() => rmSync(dir, { recursive: true })))
const write = <E>(out: string, minute: number, part: (name: string) => Stream.Stream<BackupRow, E>, keysOnly = false) =>
  writeBackup({ out, plan, part, keysOnly, time: `2026-11-23T10:0${minute}:00.000Z`, told: () => Effect.void })
const setsIn = (out: string) => readdirSync(out).filter((name) => /^(log|keys)-/.test(name)).sort()

describe("a backup folder", () => {
  it.effect("keeps every log set and the newest keys", () =>
    Effect.gen(function*() {
      const out = yield* folder
      yield* write(out, 1, whole)
      yield* write(out, 2, whole)
      yield* write(out, 3, whole, true)
      assert.deepStrictEqual(setsIn(out), ["keys-2026-11-23T10-03-00-000Z", "log-2026-11-23T10-01-00-000Z", "log-2026-11-23T10-02-00-000Z"])
      const sets = yield* findSets(out)
      for (const set of sets) yield* verifySet(set, () => Effect.void)
      const chosen = yield* Effect.fromResult(chooseSets(out, sets, undefined))
      assert.strictEqual(chosen.log.name, "log-2026-11-23T10-02-00-000Z")
      const older = yield* Effect.fromResult(chooseSets(out, sets, "log-2026-11-23T10-01-00-000Z"))
      assert.strictEqual(older.keys.name, "keys-2026-11-23T10-03-00-000Z")
    }))

  it.effect("keeps nothing of a run that was interrupted in its last part, and all of the run before", () =>
    Effect.gen(function*() {
      const out = yield* folder
      yield* write(out, 1, whole)
      const reached = yield* Deferred.make<void>()
      const running = yield* Effect.forkChild(write(out, 2, (name) =>
        name === "KV_TENANTS" ? Stream.fromEffect(Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)) : whole(name)))
      yield* Deferred.await(reached)
      assert.include(setsIn(out), "log-2026-11-23T10-02-00-000Z")
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual(setsIn(out), ["keys-2026-11-23T10-01-00-000Z", "log-2026-11-23T10-01-00-000Z"])
    }))

  it.effect("refuses a part that ends without the word that it is whole", () =>
    Effect.gen(function*() {
      const out = yield* folder
      const error = yield* Effect.flip(write(out, 1, (name) => Stream.take(whole(name), 2)))
      assert.include(error.why, "did not arrive whole")
      assert.deepStrictEqual(setsIn(out), [])
      const none = yield* Effect.flip(Effect.fromResult(chooseSets(out, yield* findSets(out), undefined)))
      assert.include(none.why, "no complete log set")
    }))

  for (const [what, damage] of [
    ["longer", (file: string) => appendFileSync(file, "x")],
    ["changed", (file: string) => writeFileSync(file, "z".repeat(Buffer.byteLength(`{"config":{"name":"LOG_1"},"state":{}}\nbytes of LOG_1`)))],
    ["gone", (file: string) => rmSync(file)]
  ] as const) {
    it.effect(`names a file that is ${what}`, () =>
      Effect.gen(function*() {
        const out = yield* folder
        yield* write(out, 1, whole)
        const file = join(out, "log-2026-11-23T10-01-00-000Z", "LOG_1.snapshot")
        damage(file)
        const [, log] = yield* findSets(out)
        const error = yield* Effect.flip(verifySet(log!, () => Effect.void))
        assert.include(error.why, file)
      }))
  }

  it("an epoch after a restore is above all known, and never the one of another restore of the same backup", () => {
    assert.strictEqual(nextEpoch([1, 7], 0), 8)
    assert.strictEqual(nextEpoch([1], 1_795_406_917_000), 1_795_406_917)
    assert.isAbove(nextEpoch([1], 1_795_406_918_000), nextEpoch([1], 1_795_406_917_000))
    assert.strictEqual(nextEpoch([1_795_406_917], 1_795_406_917_500), 1_795_406_918)
  })
})
