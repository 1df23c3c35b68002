// Goal: what root writes in a service's folder beside that service, the service can read.
// Method: a folder that is somebody else's, and a file put there by this process, which is root.
import { assert, describe, it } from "@effect/vitest"
import { chownSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { replaceFile } from "../../src/security/replaceFile.ts"

const service = 60_001
const isRoot = process.getuid?.() === 0

describe.skipIf(!isRoot)(isRoot ? "a file of a service's" : "skipped: only root writes for others", () => {
  it("stays the service's own, readable by it alone", async () => {
    const folder = mkdtempSync(join(tmpdir(), "replace-"))
    try {
      chownSync(folder, service, service)
      const file = join(folder, "backups.json")
      for (const content of ["[]", "[1]"]) {
        await replaceFile(file, content)
        const { gid, mode, uid } = statSync(file)
        assert.deepStrictEqual([uid, gid, mode & 0o777], [service, service, 0o600])
      }
      assert.deepStrictEqual(readdirSync(folder), ["backups.json"])
      chownSync(folder, 0, 0)
      await replaceFile(file, "[2]")
      assert.strictEqual(statSync(file).uid, 0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
