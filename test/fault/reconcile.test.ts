// Goal: after any loss on either side the relay goes on from the head both share, or says that somebody else writes in its name.
// Method: every way the log's head and this journal can differ, as rows.
import { assert, describe, it } from "@effect/vitest"
import { type OwnJournal, reconcile, type RemoteHead } from "../../src/local/reconcile.ts"

const head: RemoteHead = { digest: "head", journal: "j1", from: 3, to: 5, ids: "ids of 3..5" }
const own: OwnJournal = { journal: "j1", lastSeq: 9, idsOfHead: "ids of 3..5", openedHere: false, everOpened: new Set(["j1"]) }

describe("comparing the log's head with this journal", () => {
  it.each([
    ["the log has nothing of ours: send from the beginning", undefined, {}, { _tag: "continue", prev: "", to: 0 }],
    ["the log ends in this journal: go on behind it", head, {}, { _tag: "continue", prev: "head", to: 5 }],
    ["the log has all of it", head, { lastSeq: 5 }, { _tag: "continue", prev: "head", to: 5 }],
    ["the same place holds other events: the journal was restored and written on", head, { idsOfHead: "others" }, { _tag: "reopen", prev: "head" }],
    ["the journal is shorter than the log knows: restored from an older copy", head, { lastSeq: 4, idsOfHead: undefined }, { _tag: "reopen", prev: "head" }],
    ["the journal was lost and made anew", head, { journal: "j2", lastSeq: 0, idsOfHead: undefined, everOpened: new Set(["j1", "j2"]) }, { _tag: "reopen", prev: "head" }],
    ["the log's journal is unknown here: this directory was copied, or is the copy", { ...head, journal: "j9" }, {}, { _tag: "reopen", prev: "head" }],
    ["a new journal was opened here, the log still ends in the one before", { ...head, journal: "j1" }, { journal: "j2", openedHere: true, everOpened: new Set(["j1", "j2"]) }, { _tag: "reopen", prev: "head" }],
    ["a new journal was opened here, and yet a foreign one appears: two write in one name", { ...head, journal: "j9" }, { journal: "j2", openedHere: true, everOpened: new Set(["j1", "j2"]) }, { _tag: "twin" }],
    ["the journal opened here holds over there what is not here: two write in one name", { ...head, journal: "j2" }, { journal: "j2", idsOfHead: "others", openedHere: true, everOpened: new Set(["j1", "j2"]) }, { _tag: "twin" }]
  ] as const)("%s", (_, remote, change, expected) => {
    assert.deepStrictEqual<unknown>(reconcile(remote, { ...own, ...change }), expected)
  })
})
