/**
 * Runs every check there is, one after the other, and says what it left out.
 *
 * `node test/run.ts check`   types, Effect diagnostics, lint, and the tests that need no server
 * `node test/run.ts all`     the same, then the tests against real nats-servers
 * `node test/run.ts long`    what takes a minute and more by itself: clusters, rotations, ten faults, a thief's search
 *
 * `REQUIRE_ALL=1`: leaving anything out is a failure. The last line is `N passed, N failed, N skipped`.
 * Exit code: 0 all well, 1 something failed, 2 usage, 130 stopped.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run, stopOnSignals } from "./runner/child.ts"
import { Outcome } from "./runner/outcome.ts"
import { enter, foldersOf, probe, type Project, type Report } from "./runner/suites.ts"

/** A step that takes longer than this hangs: it is stopped and has failed. Milliseconds. The long one takes half an hour. */
const stepMax = { look: 300_000, fast: 900_000, server: 1_800_000, long: 5_400_000 }

const outcome = new Outcome()
const requireAll = process.env["REQUIRE_ALL"] === "1"
const say = (line: string) => void process.stdout.write(`${line}\n`)

const step = async (name: string, body: () => Promise<void>) => {
  say(`── ${name}`)
  const began = performance.now()
  await body()
  say(`── ${name}: ${((performance.now() - began) / 1000).toFixed(1)} s\n`)
}

/** A tool that reads the source. Red when it says so, and when it looked at no file. */
const look = (name: string, command: ReadonlyArray<string>, filesSeen: RegExp) =>
  step(name, async () => {
    const { code, output, timedOut } = await run(command, { maxMillis: stepMax.look, keep: true })
    const files = Number(filesSeen.exec(output)?.[1] ?? 0)
    const why = timedOut ? "took too long" : code !== 0 ? `exit code ${code}` : files === 0 ? "looked at no file" : undefined
    if (why !== undefined) {
      say(output)
      return outcome.fail(`${name}: ${why}`)
    }
    say(`   ${files} files`)
    outcome.passed++
  })

const test = (project: Project, env: Readonly<Record<string, string>>) =>
  step(`tests: ${foldersOf(project).join(", ")}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "maestra-tests-"))
    const file = join(folder, "report.json")
    const { code, timedOut } = await run(
      ["vitest", "run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
      { maxMillis: stepMax[project], keep: false, env }
    )
    const report = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as Report : { testResults: [] }
    rmSync(folder, { recursive: true, force: true })
    const failedBefore = outcome.failed
    enter(outcome, project, report)
    if (timedOut) outcome.fail(`${project} tests took too long and were stopped`)
    else if (code !== 0 && outcome.failed === failedBefore) outcome.fail(`vitest ended with ${code} and named no failed test`)
  })

/**
 * Tests against servers. One nats-server is found or fetched for all of them before the first begins, so that a
 * download is no part of a test's time. Imported here, so that source that does not load hides no other step.
 */
const testWithServers = async (project: Project) => {
  const found = await import("./runner/server.ts").then(({ find }) => find(say)).catch(String)
  if (typeof found === "string") return outcome.fail(`tests with servers: ${found}`)
  await test(project, { NATS_SERVER: found.path })
}

/** Everything that reads the source, and the tests that need no server. */
const check = async () => {
  await look("types", ["tsc", "-p", ".", "--diagnostics"], /^Files:\s+(\d+)/m)
  await look("types of the web app", ["tsc", "-p", "src/web", "--diagnostics"], /^Files:\s+(\d+)/m)
  await look("Effect diagnostics", ["effect-tsgo", "diagnostics", "--project", "tsconfig.json", "--format", "text", "--strict"], /Checked (\d+) files/)
  await look("lint", ["oxlint", "-c", "oxlint.json", "--deny-warnings", "src", "streams", "projections", "test"], / on (\d+) files/)
  await test("fast", {})
}

const runs: Readonly<Record<string, { readonly projects: ReadonlyArray<Project>; readonly body: () => Promise<void> }>> = {
  check: { projects: ["fast"], body: check },
  all: { projects: ["fast", "server"], body: async () => { await check(); await testWithServers("server") } },
  long: { projects: ["long"], body: () => testWithServers("long") }
}
const asked = runs[process.argv[2] ?? ""]
if (asked === undefined) {
  say(`usage: node test/run.ts ${Object.keys(runs).join("|")}`)
  process.exit(2)
}
stopOnSignals(say)
probe(outcome, asked.projects)
await asked.body()

for (const line of outcome.lines(requireAll)) say(line)
process.exitCode = outcome.isGreen(requireAll) ? 0 : 1
