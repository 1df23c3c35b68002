import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { fakeToken, leaveTraces, problem, startFakeBackend } from "../support/FakeBackend.ts"
import { runCli, withFolder } from "../support/runCli.ts"

// Goal: a script learns from the exit code alone whether to retry, to mend, or to give up; a person from the words.
// Method: every way a backend can be away or say no, against the program itself.

const noPid = 2 ** 22 + 1

describe("a backend that is not there", () => {
  it("was never started: exit 3 and how to start it", () =>
    withFolder(async (dataDir) => {
      const { code, stderr } = await runCli(["status"], { dataDir })
      expect(stderr).toBe("maestra: the local backend is not running; start it with `maestra local up`\n")
      expect(code).toBe(3)
    }))

  it("was the hosted one that was meant: a tool there needs --tenant, exit 2 where it runs and 3 where nothing does", () =>
    withFolder(async (dataDir) => {
      const nothing = await runCli(["tools", "revoke", "warehouse"], { dataDir })
      expect([nothing.code, nothing.stderr]).toEqual([3, "maestra: the local backend is not running; start it with `maestra local up`\n  For a tool on hosted say whose events, with --tenant t_…\n"])
      leaveTraces(join(dataDir, "hosted"), "hosted", "http://127.0.0.1:1", process.pid)
      for (const command of ["grant", "revoke"]) {
        const { code, stderr } = await runCli(["tools", command, "warehouse"], { dataDir })
        expect(stderr).toMatch(/no local backend runs here[^]*--tenant t_…\n {2}`maestra hosted peers` lists the tenants/)
        expect(code).toBe(2)
      }
    }))

  it("was killed and left its runtime.json: the same", () =>
    withFolder(async (dataDir) => {
      leaveTraces(join(dataDir, "hosted"), "hosted", "http://127.0.0.1:1", noPid)
      const { code, stderr } = await runCli(["hosted", "status"], { dataDir })
      expect(stderr).toContain("the hosted backend is not running; start it with `maestra hosted up`")
      expect(code).toBe(3)
    }))

  it("does not answer: exit 3 and where it was looked for", () =>
    withFolder(async (dataDir) => {
      leaveTraces(join(dataDir, "local"), "local", "http://127.0.0.1:1", process.pid)
      const { code, stderr } = await runCli(["list", "--json"], { dataDir })
      expect(JSON.parse(stderr).error).toMatchObject({ kind: "not_reachable", exit: 3, sentence: expect.stringContaining("http://127.0.0.1:1") })
      expect(code).toBe(3)
    }))

  it("is a cluster whose servers do not run: exit 3, and 1 with a wrong master key", () =>
    withFolder(async (dataDir) => {
      const withKey = (byte: number) => ({ dataDir, env: { MAESTRA_MASTER_KEY: Buffer.alloc(32, byte).toString("base64url") } })
      expect((await runCli(["hosted", "cluster", "init"], withKey(1))).code).toBe(0)
      const asked = await Promise.all([1, 2].map((byte) => runCli(["hosted", "cluster", "status", "--json"], withKey(byte))))
      expect(asked.map(({ code, stderr }) => [code, JSON.parse(stderr).error])).toEqual([
        [3, expect.objectContaining({ type: "cluster-unreachable", hint: expect.stringContaining("hosted cluster up") })],
        [1, expect.objectContaining({ type: "WrongMasterKey", sentence: expect.stringContaining("MAESTRA_MASTER_KEY") })]
      ])
    }))

  it("is not ours: the token cannot be read", () =>
    withFolder(async (dataDir) => {
      mkdirSync(join(dataDir, "local"))
      writeFileSync(join(dataDir, "local/runtime.json"), JSON.stringify({ pid: process.pid, url: "http://127.0.0.1:1", started_at: "" }))
      const { code, stderr } = await runCli(["list"], { dataDir })
      expect(stderr).toContain("token")
      expect(code).toBe(1)
    }))
})

const answers: Record<number, number> = { 400: 1, 404: 1, 413: 1, 500: 1, 507: 1, 401: 4, 403: 4, 409: 4, 410: 4, 412: 4, 429: 4, 502: 3, 503: 3, 504: 3 }

describe("a backend that says no", () => {
  it.concurrent.each(Object.entries(answers))("with %s ends with exit %s, its sentence and its hint", (status, exit) =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      backend.instead("GET", /^\/conversations$/, problem(Number(status), "some-name", "This is why.", "Do that now."))
      const { code, stderr } = await runCli(["list"], { dataDir })
      await backend.stop()
      expect(stderr).toBe("maestra: This is why.\n  Do that now.\n")
      expect(code).toBe(exit)
    }))

  it("names the problem for scripts", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      backend.instead("POST", /^\/pair$/, problem(410, "tenant-erased", "Everything was erased.", "Delete the local copy too."))
      const { stderr, stdout } = await runCli(["local", "pair", "maestra-code", "--json"], { dataDir })
      await backend.stop()
      expect(stdout).toBe("")
      expect(JSON.parse(stderr)).toEqual({
        error: { type: "urn:maestra:problem:tenant-erased", kind: "refused", exit: 4, sentence: "Everything was erased.", hint: "Delete the local copy too." }
      })
    }))

  it("answers nonsense: exit 1, and no stack trace", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      backend.instead("GET", /^\/status$/, (_, response) => response.end("<html>"))
      const { code, stderr } = await runCli(["status"], { dataDir })
      await backend.stop()
      expect(stderr).toContain("not one this version of maestra understands")
      expect(stderr).not.toContain("    at ")
      expect(code).toBe(1)
    }))

  it("redirects: the token does not follow", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const elsewhere = await startFakeBackend({})
      backend.instead("GET", /^\/conversations$/, (_, response) => response.writeHead(307, { location: `${elsewhere.url}/conversations` }).end())
      const { code } = await runCli(["list"], { dataDir })
      await Promise.all([backend.stop(), elsewhere.stop()])
      expect(elsewhere.requests).toEqual([])
      expect(code).toBe(3)
    }))
})

describe("secrets", () => {
  it("are sent to the backend and never shown", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const said: Array<string> = []
      for (const args of [["status"], ["debug", "--json"], ["show", "nowhere"], ["local", "pair", "-"]]) {
        const { stderr, stdout } = await runCli(args, { dataDir, stdin: "maestra-secret-code\n" })
        said.push(stdout, stderr)
      }
      await backend.stop()
      expect(backend.requests.map(({ headers }) => headers.authorization)).toEqual(backend.requests.map(() => `Bearer ${fakeToken}`))
      expect(backend.requests.at(-1)?.body).toBe(`{"code":"maestra-secret-code"}`)
      expect(said.join("")).not.toContain(fakeToken)
      expect(said.join("")).not.toContain("maestra-secret-code")
    }))
})
