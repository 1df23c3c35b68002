// Goal: a batch counts once and with its cursor or not at all; tables of another shape are made anew; failures say what to do.
// Method: the suite of every Sqlite on the real one; and files under a closed database, damaged or out of reach.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { chmodSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Projections } from "../../../projections/runner.ts"
import type { SqliteFailed } from "../../../projections/SqliteFailed.ts"
import { message, offer, projectionsSuite } from "../../support/suites/projections.ts"
import { databaseAt, temporaryFolder } from "./rig.ts"

projectionsSuite("SQLite's own threads", Effect.map(temporaryFolder, (folder) => (projections) => databaseAt(join(folder, "projections.db"), projections)))

describe("the database file", () => {
  it.effect("is this user's alone", () =>
    Effect.gen(function*() {
      const path = join(yield* temporaryFolder, "projections.db")
      yield* Effect.scoped(Effect.provide(Projections.use((projections) =>
        Effect.map(projections.absorb(offer(1, message(1))), () => {
          for (const file of [path, `${path}-wal`]) assert.strictEqual(statSync(file).mode & 0o077, 0)
        })), databaseAt(path)))
    }))

  it.effect("that is damaged, or cannot be opened, says what to do", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const damaged = join(folder, "damaged.db")
      writeFileSync(damaged, "this is not a database, however long one looks at it".repeat(100))
      const open = (path: string) => Effect.exit(Effect.scoped(Effect.asVoid(Layer.build(databaseAt(path)))))
      const reasonOf = (exit: Exit.Exit<void, SqliteFailed>) =>
        Exit.match(exit, { onSuccess: () => "opened", onFailure: (cause) => cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error.reason : reason._tag).join() })
      assert.strictEqual(reasonOf(yield* open(damaged)), "corrupt")
      chmodSync(folder, 0o700)
      assert.strictEqual(reasonOf(yield* open(join(folder, "nowhere", "projections.db"))), "cannot open")
    }))
})
