// Goal: the long scripts of `npm run` say how they are used; a wrong flag is a sentence and exit 2 before anything is started; Ctrl-C leaves nothing running.
// Method: what they share, in a small script of its own as a real process; that each of them uses it is read in its text.
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { until } from "../support/runCli.ts"
import { root } from "../tidy/sources.ts"

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly scripts: Readonly<Record<string, string>> }
const long = ["clownschool", "cluster", "faults", "fuzz", "jank", "peers", "prometheus", "simulate", "soak", "upgrade"]

const shared = JSON.stringify(join(root, "test/support/script.ts"))
const small = `
  import { spawn } from "node:child_process"
  import { flagsOf, say, stopsOnSignals, tell } from ${shared}
  const flags = flagsOf("small", "What it does. Exit code 0: it did.", {
    minutes: { default: 2, value: "N", says: "how long" },
    out: { default: null, value: "FILE", says: "where to" }
  })
  let over = false
  stopsOnSignals({ ask: flags.minutes === 7 ? () => { over = true } : undefined, close: async () => say("closed") })
  if (flags.minutes > 5) {
    const child = spawn("sleep", ["60"], { stdio: "ignore", detached: true })
    say("child " + child.pid)
    child.on("exit", () => { throw new Error("what it was at fails") })
    while (!over) await new Promise((wait) => setTimeout(wait, 20))
  }
  tell(flags, flags.out)
  if (over) process.exit(0)
`

interface Running {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>
}
const start = (...args: ReadonlyArray<string>): Running => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", small, "--", ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  let out = ""
  let err = ""
  child.stdout.on("data", (bytes: Buffer) => { out += bytes.toString() })
  child.stderr.on("data", (bytes: Buffer) => { err += bytes.toString() })
  return { child, out: () => out, err: () => err, ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err }))) }
}
const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe("a long script", () => {
  it.each(long)("%s takes its flags, tells its result, and ends at Ctrl-C as all do", (name) => {
    const text = readFileSync(join(root, /(\S+\.ts)/.exec(scripts[name]!)![1]!), "utf8")
    assert.include(text, `flagsOf("${name}", `)
    assert.match(text, /xit code [01]/)
    for (const used of ["stopsOnSignals({ ", "tell(", "out: { default: "]) assert.include(text, used)
    assert.notMatch(text, /parseArgs|process\.argv|process\.(on|once)\("SIG/)
  })

  it("tells how it is used", async () => {
    const { code, err, out } = await start("--help").ended
    assert.deepStrictEqual({ code, err }, { code: 0, err: "" })
    assert.strictEqual(out, [
      "npm run small -- [--minutes N] [--out FILE]", "", "What it does. Exit code 0: it did.", "",
      "  --minutes N              how long (default 2)",
      "  --out FILE               where to",
      "  --help                   this text", ""
    ].join("\n"))
  })

  it("says what is wrong with its command line, and where to read on", async () => {
    const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
      [["--minuets", "5"], "Unknown option '--minuets'"],
      [["5"], "Unexpected argument '5'"],
      [["--minutes"], "Option '--minutes <value>' argument missing"],
      [["--minutes", "many"], "--minutes takes a number, not many"],
      [["--minutes=-1"], "--minutes takes a number, not -1"]
    ]
    for (const [args, why] of wrong) {
      assert.deepStrictEqual(await start(...args).ended, { code: 2, out: "", err: `npm run small: ${why}; \`npm run small -- --help\` shows how it is used\n` })
    }
  })

  it("tells its result as a line of JSON", async () => {
    assert.deepStrictEqual(await start("--minutes", "3").ended, { code: 0, out: `{"minutes":3}\n`, err: "" })
  })

  it.each([["9", "SIGINT"], ["9", "SIGTERM"], ["7", "SIGTERM"]] as const)("with nothing to judge (%s), at %s, ends what it started and puts away the rest", async (minutes, signal) => {
    const script = start("--minutes", minutes)
    await until(() => script.err().includes("child "))
    const pid = Number(/child (\d+)/.exec(script.err())![1])
    assert.isTrue(isThere(pid))
    script.child.kill(signal)
    const { code, err, out } = await script.ended
    assert.deepStrictEqual([code, out], [130, ""])
    assert.strictEqual(err, `child ${pid}\nstopped by ${signal}: ending what was started\nclosed\n`)
    assert.isFalse(isThere(pid))
  })

  it("with something to judge, comes to its end at the first Ctrl-C", async () => {
    const script = start("--minutes", "7")
    await until(() => script.err().includes("child "))
    script.child.kill("SIGINT")
    const { code, out } = await script.ended
    assert.deepStrictEqual([code, out], [0, `{"minutes":7}\n`])
    process.kill(Number(/child (\d+)/.exec(script.err())![1]))
  })
})
