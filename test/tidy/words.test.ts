// Goal: what a reviewer would say about any file is said by a test: length, names, words, purity.
// Method: read every file as text, hold it against the tables of map.ts.
import { assert, describe, it } from "@effect/vitest"
import * as map from "./map.ts"
import { isIn, sources, withoutComments } from "./sources.ts"

const source = sources(["src/**/*.{ts,tsx}", "streams/**/*.ts", "projections/**/*.ts"])
const tests = sources("test/**/*.ts")
const everything = sources(["**/*.*", "infra/**", ".ci/*", ".gitignore", ".npmrc", "LICENSE"])

/** Lines of the code that say what `rule` forbids, as a person would point at them. */
const said = ({ path, text }: { readonly path: string; readonly text: string }, rules: ReadonlyArray<map.Forbidden>) =>
  rules.filter((rule) => !rule.may.some((place) => isIn(path, place))).flatMap((rule) =>
    withoutComments(text).split("\n").filter((line) => rule.words.test(line)).map((line) => `${line.trim()}   ← ${rule.why}`))

describe("words", () => {
  it("are read", () => {
    assert.isAtLeast(source.length, 40)
    assert.isAtLeast(tests.length, 20)
    assert.isAtLeast(everything.length, source.length + tests.length)
  })

  it.each(source)("$path says nothing forbidden", (file) => assert.deepStrictEqual(said(file, map.forbidden), []))

  it.each(tests.filter(({ path }) => !isIn(path, "test/tidy")))("$path switches nothing off", (file) =>
    assert.deepStrictEqual(said(file, map.forbiddenInTests), []))

  it.each([...source, ...tests])("$path fits in the head", ({ path, text }) => {
    assert.isAtMost(text.split("\n").length - 1, map.linesMax, `${path}: one file, one idea`)
  })

  it.each([...source, ...tests])("$path has a name that says what it is", ({ path }) => {
    if (!map.entryPoints.includes(path)) assert.notMatch(path, map.emptyNames)
  })

  it("of folds are pure", () => {
    const folds = source.filter(({ path }) => isIn(path, "projections") && path.endsWith("/apply.ts"))
    assert.isAtLeast(folds.length, 1)
    for (const { path, text } of folds) assert.notMatch(withoutComments(text), map.impure, `${path} is not a pure fold`)
  })

  it("of this place and its registries are nowhere", () => {
    const found = everything.flatMap(({ path, text }) =>
      map.unspoken.flatMap((word) => text.split("\n").filter((line) => word.test(line)).map((line) => `${path}: ${line.trim().slice(0, 120)}`)))
    assert.deepStrictEqual(found, [])
  })

  it("left open are nowhere", () => {
    const open = new RegExp(`\\b(TO${"DO"}|FIX${"ME"}|X${"XX"}|HA${"CK"})\\b|@ts-(ign${"ore"}|nocheck|expect-error)`)
    const found = [...source, ...tests].filter(({ text }) => open.test(text)).map(({ path }) => path)
    assert.deepStrictEqual(found, [])
  })
})

describe("the gate itself", () => {
  const path = "src/local/a.ts"
  it.each([
    "const now = Date.now()",
    "const at = new Date(0)",
    "if (Math.random() < 0.5) return",
    "const home = process.env.HOME",
    "console.log(1)",
    "const subject = \"journal.conv.x\"",
    "const subject = `log.${tenant}.conv.x`",
    "publish('ingest.t.p.commit')",
    "const x = value as unknown as string"
  ])("refuses %s", (text) => assert.isNotEmpty(said({ path, text }, map.forbidden)))

  it.each([
    "// console.log(1)",
    "/* new Date() in a comment */",
    "export const append = Effect.fn(\"journal.append\")(function*() {})",
    "const file = join(folder, \"log.json\")",
    "const words = \"the log. And the journal.\"",
    "const url = \"https://example.org\""
  ])("lets pass %s", (text) => assert.isEmpty(said({ path, text }, map.forbidden)))

  it("knows the runtime it was written for", () => {
    assert.isAtLeast(Number(process.versions.node.split(".")[0]), 24)
  })
})
