import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { chunkMaxBytes, makeChunker } from "../../src/cli/importing/chunks.ts"
import { linesOf } from "../../src/cli/importing/linesOf.ts"
import { json, problem, startFakeBackend } from "../support/FakeBackend.ts"
import { runCli, startCli, until, withFolder } from "../support/runCli.ts"

// Goal: an import says exactly what came in and what did not, whatever happens on the way, and can be run again.
// Method: the cutting as pure functions; the program itself against a backend that refuses, breaks off and stalls.

const conversation = (id: string, messages: number, content = "hello") =>
  JSON.stringify({ conversation_id: id, messages: Array.from({ length: messages }, () => ({ role: "user", content })) })

const file = (folder: string, name: string, content: string | Uint8Array) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** Until a process has done all there was for it to do, as the kernel sees it at ten looks in a row. */
const untilIdle = (pid: number): Promise<void> => {
  let looks = 0
  return until(() => (looks = !existsSync("/proc") || /\) S /.test(readFileSync(`/proc/${pid}/stat`, "utf8")) ? looks + 1 : 0) === 10)
}

const many = (howMany: number) => Array.from({ length: howMany }, (_, i) => conversation(`c${i}`, 2)).join("\n")

describe("cutting a file", () => {
  const chunked = (lines: ReadonlyArray<string>, maxBytes: number, maxLines = 1000) => {
    const chunker = makeChunker(maxBytes, maxLines)
    const chunks = [...lines.flatMap((line, i) => chunker.add(Buffer.from(line), i + 1)), ...chunker.end()]
    return { chunks: chunks.map(({ body, ...rest }) => ({ ...rest, text: Buffer.from(body).toString() })), invalid: chunker.invalid() }
  }

  it("keeps every line, in order, in bodies that fit", () => {
    const lines = Array.from({ length: 100 }, (_, i) => conversation(`c${i}`, i % 7))
    const { chunks } = chunked(lines, 2_000, 30)
    expect(chunks.map(({ text }) => text).join("")).toBe(`${lines.join("\n")}\n`)
    expect(chunks.flatMap(({ lineNumbers }) => lineNumbers)).toEqual(lines.map((_, i) => i + 1))
    for (const { lineNumbers, text } of chunks) {
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2_000)
      expect(lineNumbers.length).toBeLessThanOrEqual(30)
    }
  })

  it("cuts a conversation that is too large, and keeps the ids its messages would have had", () => {
    const line = JSON.stringify({ conversation_id: "c", title: "t", messages: [...Array.from({ length: 50 }, (_, i) => ({ role: "user", content: `${i}`.padEnd(80) })), { id: "own", role: "user", content: "" }, { id: null, role: "user", content: "" }] })
    const { chunks, invalid } = chunked([conversation("first", 1), line], 1_000)
    const parts = chunks.flatMap(({ text }) => text.trimEnd().split("\n")).slice(1).map((text) => JSON.parse(text))
    expect(parts.length).toBeGreaterThan(4)
    expect(parts.flatMap(({ messages }) => messages).map(({ id }) => id)).toEqual([...Array.from({ length: 50 }, (_, i) => `i${i}`), "own", "i51"])
    expect(parts.every(({ conversation_id, title }) => conversation_id === "c" && title === "t")).toBe(true)
    expect(chunks.reduce((sum, { continued }) => sum + continued, 0)).toBe(parts.length - 1)
    expect(invalid).toEqual([])
  })

  it("names what cannot be cut", () => {
    const { chunks, invalid } = chunked(["x".repeat(2_000), JSON.stringify({ conversation_id: "c", more: "x".repeat(2_000) }), conversation("c", 1, "x".repeat(2_000))], 1_000)
    expect(chunks).toEqual([])
    expect(invalid.map(({ line }) => line)).toEqual([1, 2, 3])
    expect(invalid[2]?.why).toContain("message 0")
  })

  it("finds lines however the bytes arrive, and leaves the bytes alone", async () => {
    const bytes = Buffer.concat([Buffer.from("one\r\ntwö\n\n"), Buffer.of(0xff, 0xfe, 10), Buffer.from("last")])
    for (let size = 1; size <= bytes.length; size++) {
      const pieces = async function*() {
        for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
      }
      const lines: Array<string> = []
      for await (const group of linesOf(pieces())) lines.push(...group.map((line) => Buffer.from(line).toString("latin1")))
      expect(lines).toEqual(["one", Buffer.from("twö").toString("latin1"), "", "\u00FF\u00FE", "last"])
    }
  })
})

describe("import", () => {
  it("takes gz whatever its name, and says what came in; again adds nothing", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const path = file(dataDir, "export.data", gzipSync(many(4_500)))
      const first = await runCli(["import", path], { dataDir })
      const again = await runCli(["import", path, "--json"], { dataDir })
      await backend.stop()
      expect(first.stdout).toMatch(/^imported 4,500 conversations, 9,000 messages \(0 unchanged\) in \d+\.\d s\n$/)
      expect(first).toMatchObject({ code: 0, stderr: "" })
      expect(JSON.parse(again.stdout)).toMatchObject({ conversations: 4500, messages: 9000, events: 0, unchanged: 9000, invalid: [] })
      expect(backend.requests.length).toBe(6)
    }))

  it("takes stdin", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const { stdout } = await runCli(["import", "-"], { dataDir, stdin: many(3) })
      await backend.stop()
      expect(stdout).toContain("imported 3 conversations, 6 messages")
    }))

  it("lists bad lines by their number in the file, takes the others, and ends with 1", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const lines = many(2_500).split("\n")
      lines[9] = "not json"
      lines[2_400] = "{"
      const { code, stderr, stdout } = await runCli(["import", file(dataDir, "a.jsonl", lines.join("\n"))], { dataDir })
      await backend.stop()
      expect(stderr).toContain("line 10: is not JSON\nline 2,401: is not JSON\n")
      expect(stderr).toContain("2 lines were not imported, all others are in")
      expect(stdout).toContain("imported 2,498 conversations")
      expect(code).toBe(1)
    }))

  it("counts a conversation once, however many requests it took", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const { stdout } = await runCli(["import", "-", "--json"], { dataDir, stdin: conversation("big", 20, "x".repeat(chunkMaxBytes / 10)) })
      await backend.stop()
      expect(JSON.parse(stdout)).toMatchObject({ conversations: 1, messages: 20, events: 20 })
      expect(backend.requests.length).toBeGreaterThan(1)
    }))

  it("waits while the backend is busy", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      let refusals = 0
      backend.instead("POST", /^\/import$/, (asked, response) =>
        refusals++ === 0
          ? problem(429, "rate-limited", "Too fast.", "Wait.")(asked, response)
          : json(response, 200, { conversations: 3, messages: 6, events: 6, unchanged: 0, invalid: [] }))
      const { code, stdout } = await runCli(["import", "-"], { dataDir, stdin: many(3) })
      await backend.stop()
      expect(stdout).toContain("imported 3 conversations")
      expect(code).toBe(0)
    }))

  it("says how far it came when the backend goes away, and that running it again continues", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      let requests = 0
      backend.instead("POST", /^\/import$/, (_, response) =>
        requests++ === 0 ? json(response, 200, { conversations: 2000, messages: 4000, events: 4000, unchanged: 0, invalid: [] }) : response.destroy())
      const { code, stderr } = await runCli(["import", file(dataDir, "a.jsonl", many(5_000))], { dataDir })
      await backend.stop()
      expect(stderr).toContain("2,000 conversations, 4,000 messages are in (up to line 2,000); running the same command again continues")
      expect(code).toBe(3)
    }))

  it("stops between chunks at Ctrl-C", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const held: Array<() => void> = []
      backend.instead("POST", /^\/import$/, (_, response) => held.push(() => json(response, 200, { conversations: 2000, messages: 4000, events: 4000, unchanged: 0, invalid: [] })))
      const running = startCli(["import", file(dataDir, "a.jsonl", many(5_000))], { dataDir })
      await until(() => held.length === 1)
      running.child.kill("SIGINT")
      // the signal comes first, the answer after: the chunk under way is still counted
      await untilIdle(running.child.pid!)
      held[0]?.()
      const { code, stderr } = await running.ended
      await backend.stop()
      expect(stderr).toContain("stopped: 2,000 conversations, 4,000 messages are in")
      expect(held.length).toBe(1)
      expect(code).toBe(130)
    }))

  it.each([["what is not there", "nowhere.jsonl"], ["a folder", "."]])("refuses %s with exit 1", (_, name) =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const { code, stderr } = await runCli(["import", join(dataDir, name)], { dataDir })
      await backend.stop()
      expect(stderr).toContain("cannot be read")
      expect(code).toBe(1)
    }))

  it("tells a torn gz from a whole one", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const whole = gzipSync(many(100))
      const { code, stderr } = await runCli(["import", file(dataDir, "torn.gz", whole.subarray(0, whole.length - 20))], { dataDir })
      await backend.stop()
      expect(stderr).toContain("cannot be read")
      expect(code).toBe(1)
    }))
})

describe("export", () => {
  const filled = async (dataDir: string) => {
    const backend = await startFakeBackend({ dataDir })
    await runCli(["import", "-"], { dataDir, stdin: many(3) })
    return backend
  }

  it("writes what import reads, to stdout and into files for this user alone", () =>
    withFolder(async (dataDir) => {
      const backend = await filled(dataDir)
      const plain = await runCli(["export"], { dataDir })
      const out = join(dataDir, "all.jsonl.gz")
      const packed = await runCli(["export", "--out", out, "--json"], { dataDir })
      await backend.stop()
      expect(plain.stdout.trimEnd().split("\n")).toHaveLength(3)
      expect(gunzipSync(readFileSync(out)).toString()).toBe(plain.stdout)
      expect(statSync(out).mode & 0o777).toBe(0o600)
      expect(JSON.parse(packed.stdout)).toEqual({ conversations: 3, bytes: Buffer.byteLength(plain.stdout), out })
    }))

  it("leaves the file as it was when the backend breaks off", () =>
    withFolder(async (dataDir) => {
      const backend = await filled(dataDir)
      const out = file(dataDir, "all.jsonl", "what was there")
      backend.instead("GET", /^\/export$/, (_, response) => {
        response.write(`${conversation("c", 1)}\n`)
        setTimeout(() => response.destroy(), 20)
      })
      const { code, stderr } = await runCli(["export", "--out", out], { dataDir })
      await backend.stop()
      expect(stderr).toContain("not complete")
      expect(readFileSync(out, "utf8")).toBe("what was there")
      expect(() => statSync(`${out}.partial`)).toThrow()
      expect(code).toBe(1)
    }))
})
