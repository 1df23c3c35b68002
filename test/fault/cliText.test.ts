import { spawnSync } from "node:child_process"
import { homedir } from "node:os"
import { join } from "node:path"
import { Redacted } from "effect"
import { describe, expect, it } from "vitest"
import { inWords } from "../../src/cli/commands/hosted/status.ts"
import { ofProblem } from "../../src/cli/call.ts"
import { prefixFor } from "../../src/cli/prefix.ts"
import { renderProgress } from "../../src/cli/progress.ts"
import { facts, things } from "../../src/cli/rows.ts"
import { broken, count, duration, oneLine, plain, plural, shellWord, table } from "../../src/cli/text.ts"
import { sentences } from "../../streams/sentences.ts"
import { size } from "../../streams/size.ts"

// Goal: numbers, times and other people's words look the same everywhere and do no harm on a terminal or in a shell.
// Method: the pure functions with examples and with the texts that usually break such functions.

describe("numbers and times", () => {
  it("read like sentences", () => {
    expect([count(13_915), plural(1, "message"), plural(2_000, "message"), plural(0, "line was", "lines were")]).toEqual(["13,915", "1 message", "2,000 messages", "0 lines were"])
    expect([0, 1_234, 99_949, 99_951, 185_000].map(duration)).toEqual(["0.0 s", "1.2 s", "99.9 s", "1 min 40 s", "3 min 05 s"])
    expect([0, 1023, 1024, 3.5 * 1024 ** 2].map(size)).toEqual(["0 bytes", "1023 bytes", "1.0 KiB", "3.5 MiB"])
  })

  it("make a bar, also where nobody knows the end", () => {
    const at = { at: 50, of: 100, done: 1_000, unit: "messages" }
    expect(renderProgress("importing", at, 2_000)).toBe("importing  ████████████░░░░░░░░░░░░   50%  1,000 messages  500/s  2.0 s left")
    expect(renderProgress("importing", { ...at, at: 0, of: 0 }, 2_000)).toBe("importing  1,000 messages  500/s")
    expect(renderProgress("importing", { ...at, at: 300 }, 0)).toBe("importing  ████████████████████████  100%  1,000 messages  0/s")
  })
})

describe("a hosted backend's status", () => {
  const log = { first_seq: 1, last_seq: 13_915, messages: 13_000, bytes: 2048 }
  const value = { log_epoch: 1_795_970_956, log, tenants: [], disk: { state: "ok", free_bytes: 1024 ** 3 }, versions: { nats_server: "2.15.1" } }

  it("says how the log is, in one stream or in several", () => {
    const partitions = [{ name: "LOG_0", log }, { name: "LOG_1", log }]
    expect(inWords(value)).toMatchObject({ log: "13,000 messages, 2.0 KiB, the last is 13,915", log_epoch: "1795970956" })
    expect(inWords({ ...value, log: null })).toMatchObject({ log: "does not answer" })
    expect(inWords({ ...value, log: null, partitions })).toMatchObject({ log: "26,000 messages, 4.0 KiB in 2 partitions", partitions: "LOG_0, LOG_1" })
    expect(inWords({ ...value, log: null, partitions: [{ name: "LOG_0", log: null }, ...partitions.slice(1)] })).toMatchObject({ log: "1 of 2 partitions do not answer; 13,000 messages, 2.0 KiB in the others" })
  })

  it("says how much room a cluster's servers have, and where nobody looks", () => {
    expect(inWords({ ...value, server_disks: [{ server: "hub-1", state: "full", free_bytes: 0 }, { server: "hub-2", state: "unknown", free_bytes: null }] })).toMatchObject({ server_disks: "hub-1 full, 0 bytes free; hub-2 unknown" })
    expect(inWords({ ...value, server_disks: [] })["server_disks"]).toContain("hosted cluster disk")
  })
})

describe("what several said", () => {
  it("is one sentence behind another, whoever forgot the full stop", () => {
    expect(sentences("The log does not answer; try again in a moment", undefined, " ", "Try again in 7 s.")).toBe("The log does not answer; try again in a moment. Try again in 7 s.")
    expect(sentences("Run `maestra doctor`", "See (its log: /tmp/log)")).toBe("Run `maestra doctor`. See (its log: /tmp/log).")
    for (const whole of ["Done.", "Is it?", "It goes on…", "(Nothing was lost.)", "“Only here.”"]) expect(sentences(whole)).toBe(whole)
    expect(sentences(undefined, "")).toBe("")
  })

  it("is when to come again behind what to do, where that is more than a moment", () => {
    const backend = { side: "local", url: "http://127.0.0.1:1", token: Redacted.make(""), tenant: undefined } as const
    const hintOf = (retryAfter: string | null) => ofProblem(backend, { hint: "Wait a little" }, 429, retryAfter).hint
    expect([hintOf(null), hintOf("1"), hintOf("7")]).toEqual(["Wait a little.", "Wait a little.", "Wait a little. Try again in 7 s."])
  })
})

describe("other people's words", () => {
  it("cannot drive the terminal", () => {
    expect(plain("a\u001B[31mb\u0007\u009B2J\r\n\tc\u202Ed\u2069")).toBe("a\u{FFFD}[31mb\u{FFFD}\u{FFFD}2J\n\tc\u{FFFD}d\u{FFFD}")
  })

  it("fit on a line, without cutting a character in two", () => {
    expect(oneLine("  a\n b\t c ", 10)).toBe("a b c")
    expect(oneLine("👩👩👩👩", 3)).toBe("👩👩…")
  })

  it("come out of a shell as they went in", () => {
    for (const word of ["plain", "two words", "it's", "$(rm -rf /)", "`x`", "a\"b", "*", "-", "\\"]) {
      expect(spawnSync("sh", ["-c", `printf %s ${shellWord(word)}`], { encoding: "utf8" }).stdout).toBe(word)
    }
  })
})

describe("tables", () => {
  it("go on below their last column where a line ends, and are as they are where there is no room for that", () => {
    const rows = [["fail", "clock", "45 s apart from hosted"], ["", "", "→ Set this machine's clock (turn time synchronisation on)."]]
    expect(table(rows, 40)).toBe("fail  clock  45 s apart from hosted\n             → Set this machine's clock\n             (turn time synchronisation\n             on).")
    for (const width of [34, 40, 80]) for (const line of table(rows, width).split("\n")) expect(line.length).toBeLessThanOrEqual(width)
    expect(table(rows, 20)).toBe(table(rows))
    expect(broken("one-word-that-is-longer-than-the-line and more", 20)).toEqual(["one-word-that-is-longer-than-the-line", "and more"])
  })

  it("are aligned, with nothing behind the last word", () => {
    expect(table([["a", "bb", "c"], ["aaa", "b", ""]])).toBe("a    bb  c\naaa  b")
  })

  it("show the columns somebody fills", () => {
    expect(things([{ peer_id: "p1", state: "registered" }, { peer_id: "p2", last_seen: null }], ["peer_id", "user_id", "state", "last_seen"]))
      .toBe("peer id  state       last seen\np1       registered  —\np2       —           —")
    expect(facts({ log_epoch: 1200, ok: true, parts: [1] })).toBe("log epoch  1,200\nok         yes\nparts      [1]")
  })
})

describe("a command to paste", () => {
  it("names the data directory only where it is not the usual one", () => {
    expect(prefixFor("")).toBe("npx maestra")
    expect(prefixFor(join(homedir(), ".8825"))).toBe("npx maestra")
    expect(prefixFor(".maestra-demo/laptop")).toBe("MAESTRA_DATA_DIR=.maestra-demo/laptop npx maestra")
    expect(prefixFor("/else where")).toBe("MAESTRA_DATA_DIR='/else where' npx maestra")
  })

  it("works outside the checkout too, where npx would look for a stranger's package", () => {
    const program = shellWord(join(process.cwd(), "src/cli/maestra.sh"))
    expect(prefixFor("", "/")).toBe(program)
    expect(prefixFor("data", "/srv")).toBe(`MAESTRA_DATA_DIR=/srv/data ${program}`)
  })
})
