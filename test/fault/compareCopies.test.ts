// Goal: where a cluster's copies of a stream differ, the one that is wrong is named, and no other.
// Method: every way three copies can differ at one sequence, as a table.
import { assert, describe, it } from "@effect/vitest"
import { compareCopies, type Place } from "../../src/hosted/cluster/compareCopies.ts"

const servers = ["hub-1", "hub-2", "hub-3"] as const
/** What each of them holds at sequence 7; nothing: it lacks it. */
type Held = readonly [one: string | undefined, two: string | undefined, three: string | undefined]

const table: Readonly<Record<string, readonly [held: Held, places: ReadonlyArray<Omit<Place, "seq">>]>> = {
  "all the same": [["a", "a", "a"], []],
  "nowhere": [[undefined, undefined, undefined], []],
  "one lacks it": [["a", undefined, "a"], [{ servers: ["hub-2"], what: "missing" }]],
  "two lack it, and the third is right": [["a", undefined, undefined], [{ servers: ["hub-2", "hub-3"], what: "missing" }]],
  "one holds another": [["a", "a", "b"], [{ servers: ["hub-3"], what: "other" }]],
  "no two agree": [["a", "b", "c"], [{ servers: ["hub-1", "hub-2", "hub-3"], what: "other" }]],
  "one lacks it, and the others do not agree": [[undefined, "a", "b"], [{ servers: ["hub-1"], what: "missing" }, { servers: ["hub-2", "hub-3"], what: "other" }]]
}

const copies = (held: Held, others: ReadonlyArray<number> = []) =>
  new Map(servers.map((server, i) => [server, new Map([...others.map((seq) => [seq, `of ${seq}`] as const), ...held[i] === undefined ? [] : [[7, held[i]] as const]])]))

describe("copies of a stream", () => {
  it.each(Object.entries(table))("%s", (_, [held, places]) => {
    assert.deepStrictEqual(compareCopies(copies(held)), places.map((place) => ({ seq: 7, ...place })))
  })

  it("are named in order, and what is equal around them is not", () => {
    const [one, two, three] = [copies(["a", "a", "a"], [9, 5, 3, 8]), copies(["a", "a", "a"], [3, 5, 8, 9]), copies([undefined, undefined, undefined], [3, 8, 9])]
    const found = compareCopies(new Map([["hub-1", one.get("hub-1")!], ["hub-2", two.get("hub-2")!], ["hub-3", three.get("hub-3")!]]))
    assert.deepStrictEqual(found.map(({ seq, servers }) => [seq, servers]), [[5, ["hub-3"]], [7, ["hub-3"]]])
  })
})
