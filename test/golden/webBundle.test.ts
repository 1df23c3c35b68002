// Goal: the web app stays small, and its page asks nobody else for anything.
// Method: build it as `npm ci` does, weigh what a browser loads, look for what the page's policy would refuse.
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

/** Compressed: what is loaded before the first conversation shows, and every screen together, fonts aside. */
const budget = { first: 270 * 1024, all: 360 * 1024 }

const root = fileURLToPath(new URL("../../", import.meta.url))
let files: ReadonlyMap<string, Buffer>

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), "maestra-web-"))
  execFileSync(process.execPath, [join(root, "node_modules/vite/bin/vite.js"), "build", "--config", "src/web/vite.config.ts", "--outDir", folder, "--logLevel", "error"], { cwd: root, env: { ...process.env, NODE_ENV: "production" }, stdio: ["ignore", "ignore", "inherit"] })
  files = new Map(["index.html", ...readdirSync(join(folder, "assets")).map((name) => `assets/${name}`)].map((name) => [name, readFileSync(join(folder, name))]))
  rmSync(folder, { recursive: true })
})

const weigh = (wanted: (name: string) => boolean) =>
  [...files].filter(([name]) => /\.(js|css|html)$/.test(name) && wanted(name)).reduce((sum, [, bytes]) => sum + gzipSync(bytes).length, 0)

describe("the web app's bundle", () => {
  it("fits its budget, first screen and all", () => {
    const first = weigh((name) => /index|LocalApp|runtime/.test(name))
    assert.isAbove(first, 100_000)
    assert.isAtMost(first, budget.first)
    assert.isAtMost(weigh(() => true), budget.all)
  })

  it("has no script and no style in the page, and no address of anybody else's in it or its styles", () => {
    const page = files.get("index.html")!.toString()
    assert.notMatch(page, /<script(?![^>]*\bsrc=)|<style|\son\w+=|style=/)
    for (const [name, bytes] of files) if (/\.(css|html)$/.test(name)) assert.notMatch(bytes.toString(), /(url\(|href=|src=)["']?(https?:)?\/\//, name)
  })
})
