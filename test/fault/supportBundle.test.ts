/**
 * Goal: a support bundle is seen before it is saved, and saved only by somebody who said so.
 * Method: the command itself, in a terminal that `script` makes, and without one.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { maestra } from "../support/world.ts"
import { runCli, withFolder } from "../support/runCli.ts"

const noTerminal = spawnSync("script", ["--version"]).status !== 0

/** The command at a terminal; `key` is pressed once it asks. */
const atTerminal = (dataDir: string, file: string, key: string): Promise<string> => {
  const child = spawn("script", ["-qefc", `'${maestra}' support-bundle --out '${file}'`, "/dev/null"], { env: { PATH: process.env["PATH"], HOME: dataDir, MAESTRA_DATA_DIR: dataDir, TERM: "xterm" }, stdio: ["pipe", "pipe", "inherit"] })
  let seen = ""
  let asked = false
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    seen += text
    if (asked || !seen.includes("Save this as")) return
    asked = true
    // nothing was saved before the answer
    expect(existsSync(file)).toBe(false)
    child.stdin.write(key)
  })
  return new Promise((done) => child.on("close", () => {
    child.stdin.destroy()
    done(seen)
  }))
}

describe("a support bundle", () => {
  it.skipIf(noTerminal)("is shown and asked about at a terminal, and saved on a yes only", () =>
    withFolder(async (dir) => {
      const file = join(dir, "bundle.json")
      const refused = await atTerminal(dir, file, "n")
      expect(refused).toMatch(/"doctor"[\s\S]*Save this as[\s\S]*Not saved/)
      expect(existsSync(file)).toBe(false)
      expect(await atTerminal(dir, file, "y")).toMatch(/"doctor"[\s\S]*Save this as[\s\S]*Saved as/)
      expect(statSync(file).mode & 0o777).toBe(0o600)
      expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ versions: { platform: process.platform } })
    }))

  it("is saved by a script with --yes alone, never over another file", () =>
    withFolder(async (dir) => {
      const file = join(dir, "bundle.json")
      const ask = (...more: ReadonlyArray<string>) => runCli(["support-bundle", "--out", file, ...more], { dataDir: dir })
      const unasked = await ask()
      expect([unasked.code, existsSync(file)]).toEqual([2, false])
      expect(unasked.stderr).toMatch(/--yes/)
      const { code, stdout } = await ask("--yes")
      expect(code).toBe(0)
      expect(readFileSync(file, "utf8").trim()).toBe(stdout.trim())
      const again = await ask("--yes")
      expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/exists/)])
    }))
})
