// Goal: what `status` counts is all there is, however many.
// Method: more conflicts than any page lists, one of them in a deleted conversation; ask the tables of a local backend.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Projections } from "../../../projections/runner.ts"
import { pageMax } from "../../../streams/limits.ts"
import { tablesOf } from "../../../src/local/tablesOf.ts"
import { appended, database, event, fromLog, sourceOf } from "./rig.ts"

const wanted = pageMax + 1

describe("the counts of status", () => {
  it.effect("are of all conflicts in conversations that show", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      let id = 0
      const by = (source: number, lamport: number, subject: string, fact: Parameters<typeof event>[0]) => fromLog(++id, event(fact, { id, source: sourceOf(source), lamport, subject }))
      const disagreed = (subject: string, message: string) => [by(1, 1, subject, appended(message, "here")), by(2, 1, subject, appended(message, "there"))]
      const shown = Array.from({ length: wanted }, (_, n) => disagreed("shown", `m${n}`)).flat()
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: [...shown, ...disagreed("gone", "m"), by(1, 2, "gone", { type: "conversation.deleted", data: {} })] })
      const { counts } = yield* tablesOf(sourceOf(1))
      assert.deepInclude(yield* counts, { conversations: 1, messages: wanted, conflicts: wanted })
    }).pipe(Effect.provide(database())))
})
