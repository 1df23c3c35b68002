// Goal: the first admin token is shown once, to the person at the terminal, opens the backend, and is written nowhere.
// Method: `hosted up` in a terminal that `script` makes, twice on one folder.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { findBinary, freePort } from "../support/natsServer.ts"
import { withFolder } from "../support/runCli.ts"
import { maestra, until } from "../support/world.ts"

const noTerminal = spawnSync("script", ["--version"]).status !== 0
const said = /the admin token of first, shown this once:\s+(\S+)/

describe("the first admin token", { timeout: 120_000 }, () => {
  it.skipIf(noTerminal)("is shown once, at a terminal, and is in no file", () =>
    withFolder(async (home) => {
      const ports = await Promise.all(Array.from({ length: 3 }, () => Effect.runPromise(freePort)))
      const env = { PATH: process.env["PATH"], HOME: home, MAESTRA_DATA_DIR: home, MAESTRA_MASTER_KEY: randomBytes(32).toString("base64url"), NATS_SERVER: await Effect.runPromise(findBinary), TERM: "xterm" }
      const run = async (use: (out: () => string) => Promise<void>) => {
        const child = spawn("script", ["-qefc", `'${maestra}' hosted up --port ${ports[0]} --nats-port ${ports[1]} --leaf-port ${ports[2]}`, "/dev/null"], { env, stdio: ["pipe", "pipe", "inherit"] })
        let out = ""
        child.stdout.setEncoding("utf8").on("data", (text: string) => { out += text })
        const ended = new Promise((resolve) => child.once("close", resolve))
        try {
          await until(() => out.includes("the hosted backend is running"), 60_000, () => out)
          await use(() => out)
        } finally {
          child.stdin.write("\u0003")
          await ended
        }
      }
      let token = ""
      const status = () => fetch(`http://127.0.0.1:${ports[0]}/status`, { headers: { authorization: `Bearer ${token}` } }).then((answer) => answer.status)
      await run(async (out) => {
        await until(() => said.test(out()), 20_000, out)
        token = said.exec(out())![1]!
        assert.strictEqual(await status(), 200)
      })
      await run(async (out) => {
        assert.strictEqual(await status(), 200)
        await new Promise((wait) => setTimeout(wait, 3_000))
        assert.notMatch(out(), said)
        assert.notInclude(out(), token)
      })
      const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
      assert.isAbove(files.length, 10)
      assert.deepStrictEqual(files.filter((file) => readFileSync(file).includes(token)), [])
    }))
})
