import { rmSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { startFakeBackend } from "../support/FakeBackend.ts"
import { runCli, startCli, until, withFolder } from "../support/runCli.ts"

// Goal: a subscriber sees every event once, in order, across lost connections and restarts of the backend.
// Method: the program itself against a backend whose streams are cut, and which comes back on another port.

const linesOf = (stdout: string) => stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line))

describe("subscribe", () => {
  it("goes on behind the last event after the connection was cut", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      backend.emit({ type: "message.appended", content: "1" })
      const running = startCli(["subscribe", "--from", "start", "--subject", "groceries"], { dataDir })
      await until(() => linesOf(running.stdout()).length === 1)
      backend.cutStreams()
      backend.emit({ type: "message.appended", content: "2, while nobody listened" })
      await until(() => linesOf(running.stdout()).length === 2)
      backend.emit({ type: "message.edited", content: "3" })
      await until(() => linesOf(running.stdout()).length === 3)
      running.child.kill("SIGTERM")
      const { code, stderr, stdout } = await running.ended
      await backend.stop()
      expect(linesOf(stdout).map(({ data }) => data.content)).toEqual(["1", "2, while nobody listened", "3"])
      expect(backend.requests[0]?.query).toEqual({ from: "start", subject: "groceries" })
      expect(backend.requests.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1"])
      expect(stderr).toContain("trying again")
      expect(code).toBe(130)
    }))

  it("from now, and cut before the first event: nothing of what was written meanwhile is missing", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      backend.emit({ type: "message.appended", content: "before" })
      const running = startCli(["subscribe"], { dataDir })
      await until(() => backend.requests.length === 1)
      backend.cutStreams()
      await until(() => running.stderr().includes("trying again"))
      backend.emit({ type: "message.appended", content: "while nobody listened" })
      await until(() => linesOf(running.stdout()).length === 1)
      running.child.kill("SIGTERM")
      await running.ended
      await backend.stop()
      expect(linesOf(running.stdout()).map(({ data }) => data.content)).toEqual(["while nobody listened"])
      expect(backend.requests.at(-1)?.headers["last-event-id"]).toBe("1")
    }))

  it("finds a restarted backend on its new port", () =>
    withFolder(async (dataDir) => {
      const before = await startFakeBackend({ dataDir })
      before.emit({ type: "message.appended", content: "1" })
      const running = startCli(["subscribe", "--from", "start"], { dataDir })
      await until(() => linesOf(running.stdout()).length === 1)
      rmSync(join(dataDir, "local/runtime.json"))
      await before.stop()
      await until(() => running.stderr().includes("not running"))
      const after = await startFakeBackend({ dataDir })
      after.emit({ type: "message.appended", content: "1" })
      after.emit({ type: "message.appended", content: "2" })
      await until(() => linesOf(running.stdout()).length === 2)
      running.child.kill("SIGTERM")
      await running.ended
      await after.stop()
      expect(linesOf(running.stdout()).map(({ data }) => data.content)).toEqual(["1", "2"])
    }))

  it("ends with 3 when there is nobody at the start", () =>
    withFolder(async (dataDir) => {
      expect((await runCli(["subscribe"], { dataDir })).code).toBe(3)
    }))

  it("ends when the backend refuses, also later", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      backend.instead("GET", /^\/events$/, (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.end(`event: problem\ndata: ${JSON.stringify({ status: 410, detail: "That far back is gone.", hint: "Use --from start." })}\n\n`)
      })
      const { code, stderr } = await runCli(["subscribe", "--from", "3"], { dataDir })
      await backend.stop()
      expect(stderr).toContain("That far back is gone.")
      expect(code).toBe(4)
    }))
})
