import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { problem, type FakeBackend, json, startFakeBackend, write } from "../support/FakeBackend.ts"
import { runCli, withFolder } from "../support/runCli.ts"

// Goal: each conversation command asks for what its words say and shows what came, to people and to scripts.
// Method: the program itself against a backend in memory; the requests are looked at, and what was printed.

let backend: FakeBackend
let dataDir: string
let release: () => void

beforeAll(async () => {
  await new Promise<void>((ready) => {
    void withFolder(async (folder) => {
      dataDir = folder
      backend = await startFakeBackend({ dataDir })
      ready()
      await new Promise<void>((resolve) => release = resolve)
      await backend.stop()
    })
  })
})
afterAll(() => release())

const run = (...args: ReadonlyArray<string>) => runCli(args, { dataDir })
const lastRequest = () => backend.requests.at(-1)

describe("send", () => {
  it("appends, and says where it is safe", async () => {
    const { code, stdout } = await run("send", "groceries", "buy milk")
    expect(stdout).toBe("sent to groceries as m1 (saved here)\n")
    expect(lastRequest()).toMatchObject({ method: "POST", path: "/conversations/groceries/messages", query: {} })
    expect(JSON.parse(lastRequest()?.body ?? "")).toEqual({ role: "user", content: "buy milk", surface: "cli" })
    expect(code).toBe(0)
  })

  it("takes the text from stdin, without the shell's line break", async () => {
    await runCli(["send", "notes", "-", "--role", "assistant", "--id", "n1"], { dataDir, stdin: "two\nlines – ü\n" })
    expect(JSON.parse(lastRequest()?.body ?? "")).toEqual({ role: "assistant", content: "two\nlines – ü", surface: "cli", id: "n1" })
  })

  it("takes a text that looks like a flag after --", async () => {
    await run("send", "notes", "--", "--help")
    expect(JSON.parse(lastRequest()?.body ?? "").content).toBe("--help")
  })

  it("takes ids of any kind", async () => {
    await run("send", "a/b c?", "x")
    expect(lastRequest()?.path).toBe("/conversations/a%2Fb%20c%3F/messages")
    await run("send", "..", "x")
    expect(lastRequest()?.path).toBe("/conversations/~../messages")
  })

  it("waits as far as asked", async () => {
    backend.instead("POST", /^\/conversations\/far\/messages$/, (_, response) =>
      json(response, 201, { conversation_id: "far", event_id: "e", message: { id: "m1" }, reached: { tier: "everywhere", missing: [] } }))
    const { code, stdout } = await run("send", "far", "x", "--wait", "everywhere", "--timeout", "7")
    expect(lastRequest()?.query).toEqual({ wait: "everywhere", timeout_ms: "7000" })
    expect(stdout).toBe("sent to far as m1 (on every device)\n")
    expect(code).toBe(0)
  })

  it("ends with 1 when it did not come that far, and says not to repeat it", async () => {
    backend.instead("POST", /^\/conversations\/near\/messages$/, (_, response) =>
      json(response, 201, { conversation_id: "near", event_id: "e", message: { id: "m1" }, reached: { tier: "hosted", missing: ["peer_0123456789abcdef"] } }))
    const { code, stderr, stdout } = await run("send", "near", "x", "--wait", "everywhere", "--json")
    expect(JSON.parse(stdout).reached.tier).toBe("hosted")
    expect(stderr).toContain("peer_0123456789abcdef")
    expect(stderr).toContain("do not send it again")
    expect(code).toBe(1)
  })

  it("does not write as the operator of hosted", async () => {
    const { code, stderr } = await run("send", "a", "b", "--on", "hosted", "--tenant", "t_abcdefghijklmnop")
    expect(stderr).toContain("nothing was written")
    expect(code).toBe(4)
  })
})

describe("edit, delete and restore", () => {
  it("edit replaces, only at the version that was seen", async () => {
    const { stdout } = await run("edit", "groceries", "m1", "buy oat milk", "--if-version", "7")
    expect(stdout).toBe("edited m1 in groceries (saved here)\n")
    expect(lastRequest()).toMatchObject({ method: "PUT", path: "/conversations/groceries/messages/m1" })
    expect(lastRequest()?.headers["if-match"]).toBe(`"7"`)
  })

  it("delete takes a message or all", async () => {
    await run("send", "old", "x")
    await run("delete", "old", "m1")
    expect(lastRequest()).toMatchObject({ method: "DELETE", path: "/conversations/old/messages/m1", query: { surface: "cli" } })
    const { stdout } = await run("delete", "old")
    expect(lastRequest()).toMatchObject({ method: "DELETE", path: "/conversations/old" })
    expect(stdout).toBe("deleted conversation old (saved here)\n")
  })

  it("restore names the event", async () => {
    await run("restore", "groceries", "m1", "event-1")
    expect(lastRequest()).toMatchObject({ method: "POST", path: "/conversations/groceries/messages/m1/restore" })
    expect(JSON.parse(lastRequest()?.body ?? "")).toEqual({ event_id: "event-1", surface: "cli" })
  })
})

describe("reading", () => {
  it("list shows a page and how to go on", async () => {
    const { stdout } = await run("list", "--limit", "1")
    expect(stdout).toMatch(/^groceries {2}1 msg {2}2026-11-22 10:00:00 {2}local\nmore: MAESTRA_DATA_DIR=\S+ npx maestra list --cursor next\n$/)
    expect(JSON.parse((await run("list", "--json")).stdout)).toMatchObject({ next_cursor: null })
  })

  it("search asks for all words and says where they are", async () => {
    const { stdout } = await run("search", "oat", "milk")
    expect(lastRequest()).toMatchObject({ method: "GET", path: "/search", query: { q: "oat milk", limit: "20" } })
    expect(stdout).toMatch(/^groceries {2}m1 {2}2026-11-22 10:00:00 {2}user {2}buy oat milk\n$/)
    expect((await run("search", "nowhere")).stdout).toBe("no message and no title has all these words\n")
    expect(JSON.parse((await run("search", "oat", "--json")).stdout)).toMatchObject({ next_cursor: null, behind: false })
    expect(await run("search")).toMatchObject({ code: 2 })
  })

  it("show gives a message with its tier", async () => {
    const { stdout } = await run("show", "groceries")
    expect(stdout).toContain("user · 2026-11-22 10:00:00 · cli · local · m1\n  buy oat milk")
  })

  it("show of what is not there ends with 1", async () => {
    expect(await run("show", "nowhere")).toMatchObject({ code: 1, stdout: "" })
  })

  it("history marks what is shown", async () => {
    const { stdout } = await run("history", "kept", "m1")
    expect(stdout).toMatch(/^shown {2}event-2 .* buy oat milk\n {7}event-1 .* buy milk\n/)
  })

  it("what stays on this machine is said of it", async () => {
    backend.instead("GET", /\/kept\/.*\/history$/, (_, response) => json(response, 200, { writes: [{ ...write("w1", "a", true), withheld: "surface" }] }))
    expect((await run("history", "kept", "m1")).stdout).toContain("only here (a privacy setting)")
    const kept = { id: "m1", role: "user", content: "a", tier: "local", withheld: "expired" }
    backend.instead("GET", /^\/conversations\/kept$/, (_, response) => json(response, 200, { conversation_id: "kept", title: null, version: 7, messages: [kept] }))
    expect((await run("show", "kept")).stdout).toContain("user · only here (retention) · m1")
  })

  it("conflicts say how to bring the loser back", async () => {
    backend.instead("GET", /^\/conflicts$/, (_, response) =>
      json(response, 200, { conflicts: [{ conversation_id: "my list", message_id: "m1", shown: write("w2", "b", true), losing: [write("w1", "a", false)] }], next_cursor: null }))
    const { stdout } = await run("conflicts")
    expect(stdout).toMatch(/bring it back: MAESTRA_DATA_DIR=\S+ npx maestra restore 'my list' m1 w1/)
    expect(JSON.parse((await run("conflicts", "--json")).stdout).conflicts).toHaveLength(1)
  })

  it("never lets a message drive the terminal, and gives scripts the bytes", async () => {
    const nasty = "\u001B]0;owned\u0007\u001B[2J\u202Egnp.exe\rend"
    await runCli(["send", "nasty", "-"], { dataDir, stdin: nasty })
    const shown = (await run("show", "nasty")).stdout
    // oxlint-disable-next-line no-control-regex
    expect(shown).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E]/)
    const raw = JSON.parse((await run("show", "nasty", "--json")).stdout)
    expect(raw.messages[0].content).toBe(nasty)
  })
})

describe("hosted, as its operator", () => {
  it("reads one tenant's conversations", () =>
    withFolder(async (folder) => {
      const hosted = await startFakeBackend({ dataDir: folder, side: "hosted" })
      const { code } = await runCli(["list", "--on", "hosted", "--tenant", "t_abcdefghijklmnop"], { dataDir: folder })
      const fromEnvironment = await runCli(["verify", "--on", "hosted"], { dataDir: folder, env: { MAESTRA_TENANT: "t_abcdefghijklmnop" } })
      await hosted.stop()
      expect(hosted.requests.map(({ query }) => query["tenant"])).toEqual(["t_abcdefghijklmnop", "t_abcdefghijklmnop"])
      expect([code, fromEnvironment.code]).toEqual([0, 0])
    }))

  it("enrols, lists and revokes", () =>
    withFolder(async (folder) => {
      const hosted = await startFakeBackend({ dataDir: folder, side: "hosted" })
      const enrolled = await runCli(["hosted", "enroll", "ada"], { dataDir: folder })
      const peers = await runCli(["hosted", "peers"], { dataDir: folder })
      await runCli(["hosted", "revoke", "peer_0123456789abcdef", "--cause", "lost"], { dataDir: folder })
      await hosted.stop()
      expect(enrolled.stdout).toContain("\nmaestra-code\n")
      expect(peers.stdout).toContain("peer_0123456789abcdef")
      expect(hosted.requests.at(-1)).toMatchObject({ method: "DELETE", path: "/peers/peer_0123456789abcdef", query: { cause: "lost" } })
    }))
})

describe("the local backend's own commands", () => {
  const asked: ReadonlyArray<readonly [ReadonlyArray<string>, string, string]> = [
    [["local", "unpair"], "POST", "/unpair"],
    [["local", "pause"], "POST", "/pause"],
    [["local", "resume"], "POST", "/resume"],
    [["local", "confirm", "peer_1"], "POST", "/peers/peer_1/confirm"],
    [["local", "peers"], "GET", "/peers"],
    [["resync", "--withheld"], "POST", "/resync"],
    [["debug"], "GET", "/debug"],
    [["verify"], "POST", "/verify"],
    [["rebuild"], "POST", "/rebuild"]
  ]
  it.each(asked)("%j asks %s %s, and answers scripts with one document", async (args, method, path) => {
    const { code, stdout } = await run(...args, "--json")
    expect(lastRequest()).toMatchObject({ method, path })
    expect(typeof JSON.parse(stdout)).toBe("object")
    expect(code).toBe(0)
  })

  it("says in a sentence what the backend says, and how long work took", async () => {
    expect((await run("local", "pause")).stdout).toBe("done: POST /pause\n")
    expect((await run("rebuild")).stdout).toMatch(/^rebuilt from 10 events in \d+\.\d s\n$/)
  })

  it("open prints an address with a one-time code for its owner, or for a companion only", async () => {
    expect((await run("local", "open")).stdout).toMatch(/^http:\/\/127\.0\.0\.1:8825\/#code=one-time\n/)
    expect(backend.requests.findLast(({ path }) => path === "/companion-codes")?.body).toBe("{\"owner\":true}")
    backend.instead("POST", /^\/companion-codes$/, problem(409, "not-paired", "not paired", "Pair first."))
    expect(await run("local", "open", "--companion")).toMatchObject({ code: 4 })
  })

  it("a log that does not hold is exit 1, and names the place", async () => {
    backend.instead("POST", /^\/verify$/, (_, response) =>
      response.end(`${JSON.stringify({ done: true, at: 9, of: 9, result: { ok: false, commits: 2, events: 9, digest: "d", problems: [{ seq: 5, what: "hash-mismatch", detail: "changed" }] } })}\n`))
    const { code, stderr, stdout } = await run("verify")
    expect(stdout).toContain("damaged: 2 commits, 9 events")
    expect(stderr).toContain("sequence 5: hash-mismatch — changed")
    expect(code).toBe(1)
  })

  it("work that breaks off says why", async () => {
    backend.instead("POST", /^\/rebuild$/, (_, response) =>
      response.end(`${JSON.stringify({ done: false, at: 1, of: 9 })}\n${JSON.stringify({ done: true, at: 1, of: 9, problem: { status: 503, detail: "The disk went away.", hint: "Bring it back." } })}\n`))
    expect(await run("rebuild")).toMatchObject({ code: 3, stderr: "maestra: The disk went away.\n  Bring it back.\n" })
  })
})
