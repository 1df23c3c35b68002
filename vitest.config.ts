import { defineConfig } from "vitest/config"

const folders = (...names: ReadonlyArray<string>) => names.map((name) => `test/${name}/**/*.test.ts`)

/**
 * Three projects: `fast` needs no server, `server` starts real ones, `long` takes its time. `node test/run.ts` runs them;
 * `npx vitest run test/property/streams` runs a part by hand.
 */
export default defineConfig({
  test: {
    pool: "forks",
    // two cores are what we promise to be quick on
    maxWorkers: 2,
    allowOnly: false,
    // a golden file that is missing is a failure, not a new file; `-u` writes, and the diff is the review
    update: "none",
    // what hangs is ended by these; nothing that only takes longer on a busy machine may be
    testTimeout: 120_000,
    hookTimeout: 240_000,
    setupFiles: ["test/support/seeds.ts"],
    projects: [
      {
        extends: true,
        // these files share a process and what it has loaded: loading it anew for each took half of the time
        test: { name: "fast", isolate: false, include: folders("tidy", "golden", "property", "fault") }
      },
      {
        extends: true,
        test: {
          name: "server",
          include: folders("integration", "simulation", "browser"),
          // half of their time they wait: for a start, a link, an interval
          maxWorkers: 3,
          sequence: { groupOrder: 1 }
        }
      },
      { extends: true, test: { name: "long", include: folders("long"), sequence: { groupOrder: 2 } } }
    ]
  }
})
