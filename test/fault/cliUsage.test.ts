import { describe, expect, it } from "vitest"
import { runCli, withFolder } from "../support/runCli.ts"

// Goal: a wrong command line is told from a failed command, in words and by exit code 2.
// Method: run the program itself with wrong arguments; no backend is there, so anything else would end with 3.

const run = (...args: ReadonlyArray<string>) => withFolder((dataDir) => runCli(args, { dataDir }))

const wrong: ReadonlyArray<readonly [string, ReadonlyArray<string>, RegExp]> = [
  ["an unknown command", ["sned", "a", "b"], /Did you mean[^]*send/],
  ["an unknown flag", ["list", "--colour"], /--colour/],
  ["a missing argument", ["send", "groceries"], /text/],
  ["half a command", ["local"], /^$/],
  ["a port that is none", ["local", "up", "--port", "70000"], /65535/],
  ["a journal without room", ["local", "up", "--journal-gib", "0"], /at least 0\.0625/],
  ["a side that is none", ["list", "--on", "cloud"], /cloud/],
  ["a limit out of range", ["list", "--limit", "0"], /1 to 500/],
  ["a page larger than a backend gives", ["conflicts", "--limit", "501"], /1 to 500/],
  ["a page of nothing", ["audit", "--limit", "0"], /1 to 500/],
  ["a page of telemetry larger than a backend gives", ["telemetry", "list", "--limit", "501"], /1 to 500/],
  ["an empty id", ["show", ""], /id is empty/],
  ["hosted without a tenant", ["list", "--on", "hosted"], /--tenant/],
  ["waiting longer than a request may", ["send", "a", "b", "--wait", "hosted", "--timeout", "61"], /1 to 60/],
  ["a setting that is none", ["privacy", "set", "redact=on"], /no setting redact[^]*redact_pii/],
  ["a setting without its value", ["privacy", "set", "redact_pii"], /true or false/],
  ["a number of days that is none", ["privacy", "set", "retention_days=0"], /1 to 36500/],
  ["a region that is none", ["privacy", "set", "default_region", "Germany"], /two letters/],
  ["a cause that is none", ["hosted", "revoke", "peer_1", "--cause", "bored"], /bored/]
]

describe("the command line", () => {
  it.concurrent.each(wrong)("refuses %s with exit 2", async (_, args, said) => {
    const { code, stderr } = await run(...args)
    expect(stderr).toMatch(said)
    expect(code).toBe(2)
  })

  it("says what is wrong on stderr and leaves stdout to answers", async () => {
    const { stderr, stdout } = await run("list", "--colour")
    expect(stdout).toBe("")
    expect(stderr).toContain("`maestra list --help` shows how it is used.")
  })

  it("tells scripts in JSON", async () => {
    const { code, stderr } = await run("send", "--json")
    expect(JSON.parse(stderr)).toMatchObject({ error: { kind: "usage", type: "usage", exit: 2 } })
    expect(code).toBe(2)
  })

  it("shows its commands, and is content", async () => {
    const { code, stdout } = await run()
    for (const command of ["demo", "doctor", "send", "restore", "subscribe", "local", "hosted", "verify"]) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"))
    expect(code).toBe(0)
  })

  it("knows its version", async () => {
    const { code, stdout } = await run("--version")
    expect(stdout.trim()).toMatch(/^maestra v\d+\.\d+\.\d+$/)
    expect(code).toBe(0)
  })

  it("takes settings from flags before the environment", async () => {
    await withFolder(async (dataDir) => {
      const { stderr } = await runCli(["local", "up", "--port", "-1"], { dataDir, env: { MAESTRA_LOCAL_PORT: "8825" } })
      expect(stderr).toContain("got -1")
      const fromEnvironment = await runCli(["local", "up"], { dataDir, env: { MAESTRA_LOCAL_PORT: "many" } })
      expect(fromEnvironment.stderr).toContain("MAESTRA_LOCAL_PORT")
      expect(fromEnvironment.code).toBe(2)
    })
  })
})
