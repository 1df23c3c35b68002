// Goal: the SDK stays small, and runs where there is no Node.
// Method: bundle its entry point as for a browser with the bundler vitest brings; weigh it, look for what must not be in it.
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

/** Compressed, as a page loads it. Three quarters of it are the world's telephone numbering plans, for redaction. */
const gzippedMaxBytes = 60 * 1024

const ownerGzippedMaxBytes = 6 * 1024

const root = fileURLToPath(new URL("../../", import.meta.url))

const bundled = (entry: string): Buffer => {
  const folder = mkdtempSync(join(tmpdir(), "maestra-bundle-"))
  execFileSync(process.execPath, [join(root, "node_modules/rolldown/bin/cli.mjs"), entry, "--format", "esm", "--minify", "--platform", "browser", "-d", folder], { cwd: root, stdio: "ignore" })
  const bundle = readFileSync(join(folder, "index.js"))
  rmSync(folder, { recursive: true })
  assert.notMatch(bundle.toString(), /["']node:|\bBuffer\.|\bprocess\./)
  return bundle
}

describe("the SDK's bundle", () => {
  it("fits its budget and names nothing of Node's", () => {
    const bundle = bundled("src/sdk/typescript/index.ts")
    assert.isAbove(bundle.length, 10_000)
    assert.isAtMost(gzipSync(bundle).length, gzippedMaxBytes)
  })

  it("for an owner's page is small: it seals, signs and redacts nothing", () => {
    const bundle = bundled("src/sdk/typescript/owner/index.ts")
    assert.isAbove(bundle.length, 3000)
    assert.isAtMost(gzipSync(bundle).length, ownerGzippedMaxBytes)
  })
})
