// Goal: the simulation's tables are the real ones on another driver, not something like them.
// Method: the suite that the real driver passes.
import { Effect, Layer } from "effect"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { projectionsSuite } from "../support/suites/projections.ts"
import { Database, sqliteOn } from "./sqlite.ts"

projectionsSuite("a database on this thread", Effect.sync(() => {
  const database = new Database()
  return (projections) => Projections.layer(projections).pipe(Layer.provideMerge(Layer.succeed(Sqlite, sqliteOn(database))))
}))
