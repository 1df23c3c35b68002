// Goal: a deployment goes from one master key to another whole, whatever stops it half way, and nothing of it opens under the old one any more.
// Method: a real deployment's files, rekeyed, and with each of them changed alone before.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { joinCluster, openDeployment, writeCluster } from "../../src/hosted/Deployment.ts"
import { rekey } from "../../src/hosted/rekey.ts"
import { holdDirectory } from "../../src/nats/storeLock.ts"
import { whyOf } from "../../src/observing/startErrors.ts"
import type { MasterKey } from "../../src/security/keyFile.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"

const keyIn = (from: string): MasterKey => ({ kind: "master", key: newSecretKey(), from })
const folder = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-rekey-"))), (path) => Effect.sync(() => rmSync(path, { recursive: true })))

describe("a new master key", () => {
  it.live("opens the whole deployment, and the old one nothing", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const [from, to] = [keyIn("the old place"), keyIn("the new place")]
      const before = yield* openDeployment(dir, from)
      yield* writeCluster(dir, from, before, { servers: ["127.0.0.1:1"], leafUrls: [], replicas: 1 })
      const files = [join(dir, "keys.json"), join(dir, "cluster.json")]
      const old = files.map((file) => readFileSync(file, "utf8"))

      yield* Effect.scoped(Effect.gen(function*() {
        yield* holdDirectory(dir)
        assert.strictEqual((yield* Effect.flip(Effect.scoped(rekey(dir, { from, to })))).why, `a hosted process or the admin role runs on ${dir}`)
      }))
      assert.strictEqual((yield* Effect.flip(Effect.scoped(rekey(dir, { from: keyIn("/run/key (MAESTRA_MASTER_KEY_FILE)"), to })))).why, `the master key in /run/key (MAESTRA_MASTER_KEY_FILE) does not open ${files[0]}`)
      assert.deepStrictEqual(files.map((file) => readFileSync(file, "utf8")), old)

      assert.deepStrictEqual(yield* Effect.scoped(rekey(dir, { from, to })), files)
      // stopped after the one or the other: the same again finishes
      for (const undone of [0, 1]) {
        writeFileSync(files[undone]!, old[undone]!)
        yield* Effect.scoped(rekey(dir, { from, to }))
      }
      const after = yield* openDeployment(dir, to)
      assert.strictEqual(after.identity.keyId, before.identity.keyId)
      assert.isTrue(after.storeKeys.current.equals(before.storeKeys.current))
      const joined = yield* joinCluster(yield* folder, to, files[1]!)
      assert.strictEqual(joined.deployment.identity.keyId, before.identity.keyId)
      // whoever starts it with the old one is told where that stands, and what it does not open
      for (const [file, opened] of [[files[0]!, Effect.asVoid(openDeployment(dir, from))], [files[1]!, Effect.asVoid(joinCluster(yield* folder, from, files[1]!))]] as const) {
        const error = yield* Effect.flip(opened)
        assert.deepStrictEqual([error._tag, whyOf(error, "")], ["WrongMasterKey", `the master key in the old place does not open ${file}`])
      }
    }))
})
