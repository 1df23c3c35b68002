import { existsSync, globSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { canMount } from "../support/smallDisks.ts"
import { root } from "./child.ts"
import type { Outcome } from "./outcome.ts"

/**
 * Test folders by vitest project. One in `must` that ran no test is a failure; one in `may` only when
 * it holds test files.
 */
export const suites = {
  fast: { must: ["tidy", "golden", "property", "fault"], may: [] },
  server: { must: ["integration"], may: ["simulation", "browser"] },
  long: { must: ["long"], may: [] }
} as const
export type Project = keyof typeof suites

export const foldersOf = (project: Project): ReadonlyArray<string> => [...suites[project].must, ...suites[project].may]
const filesOf = (folder: string): ReadonlyArray<string> => globSync(`test/${folder}/**/*.test.ts`, { cwd: root })

/** The parts of vitest's JSON report that are read here. */
export interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    /** What went wrong outside any test: an import, a hook. */
    readonly message: string
    readonly assertionResults: ReadonlyArray<{
      readonly ancestorTitles: ReadonlyArray<string>
      readonly title: string
      readonly status: string
    }>
  }>
}

/** Enter a report into the outcome. A test skipped without `skipped: why` in its title, and a folder without tests, fail. */
export const enter = (outcome: Outcome, project: Project, report: Report): void => {
  const seen = new Set<string>()
  for (const { name, status, message, assertionResults } of report.testResults) {
    const path = name.replaceAll("\\", "/").slice(root.length)
    const failedBefore = outcome.failed
    for (const test of assertionResults) {
      const titles = [...test.ancestorTitles, test.title]
      const title = [path, ...titles].join(" › ")
      const why = titles.flatMap((text) => /skipped: ([^()[\]]+)/.exec(text)?.[1]?.trim() ?? []).at(0)
      if (test.status === "passed") outcome.passed++
      else if (test.status === "failed") outcome.fail(title)
      else {
        outcome.skipped++
        if (why !== undefined) outcome.leaveOut(why, title)
        // a failed hook skips the rest of its file; the file itself is red then
        else if (message === "") outcome.fail(`${title}: skipped without a reason`)
      }
      seen.add(path.split("/")[1]!)
    }
    if (status === "failed" && outcome.failed === failedBefore) outcome.fail(`${path}: ${message.split("\n")[0] || "could not be run"}`)
  }
  const { must, may } = suites[project]
  for (const folder of [...must, ...may.filter((folder) => filesOf(folder).length > 0)]) {
    if (!seen.has(folder)) outcome.fail(`test/${folder}: no test was seen`)
  }
}

const onPath = (name: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, name)))

interface Probe {
  readonly why: string
  readonly missing: () => boolean
  /** Whether a test file asks for it: what no test wants is not left out. */
  readonly wantedBy: (path: string, text: string) => boolean
}

/** Parts of a machine that tests can do without, one by one. */
const probes: ReadonlyArray<Probe> = [
  {
    why: "no keychain daemon: gnome-keyring-daemon missing (Debian: gnome-keyring)",
    missing: () => !onPath("gnome-keyring-daemon"),
    wantedBy: (_, text) => text.includes("gnome-keyring")
  },
  {
    why: "no keychain daemon: dbus-run-session missing (Debian: dbus)",
    missing: () => !onPath("dbus-run-session"),
    wantedBy: (_, text) => text.includes("dbus-run-session")
  },
  {
    why: "no browser (Debian: chromium)",
    missing: () => !["chromium", "chromium-browser", "google-chrome"].some(onPath),
    wantedBy: (path, text) => path.startsWith("test/browser/") || text.includes("localWebApp")
  },
  {
    why: "no firefox (Debian: firefox-esr)",
    missing: () => !["firefox-esr", "firefox"].some(onPath),
    wantedBy: (_, text) => text.includes("firefox")
  },
  {
    why: "systemd-analyze missing (Debian: systemd)",
    missing: () => !onPath("systemd-analyze"),
    wantedBy: (_, text) => text.includes("systemd-analyze")
  },
  {
    why: "no mounts of our own: unshare -rm is refused",
    missing: () => !canMount,
    wantedBy: (_, text) => text.includes("smallDisks.ts")
  },
  {
    why: "../shared/data missing",
    missing: () => !existsSync(join(root, "../shared/data")),
    wantedBy: (_, text) => text.includes("shared/data")
  }
]

/** Note what this machine lacks of what these tests want, whether or not a test says so itself. */
export const probe = (outcome: Outcome, projects: ReadonlyArray<Project>): void => {
  const files = projects.flatMap(foldersOf).flatMap(filesOf)
    .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(join(root, path), "utf8") }))
  for (const { why, missing, wantedBy } of probes) {
    if (missing() && files.some(({ path, text }) => wantedBy(path, text))) outcome.leaveOut(why)
  }
}
