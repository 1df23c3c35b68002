// Goal: every command that a document, an example or a hint shows is one this version takes, flags and all.
// Method: read the texts; have the real command line read each of them up to where it would run, and package.json's scripts be looked up.
import { assert, describe, it } from "@effect/vitest"
import { examplesOfAll, faultsOf } from "./commandLine.ts"
import { commandsOf, type Words } from "./shell.ts"
import { type Source, sources } from "./sources.ts"

const documents = sources(["*.md", "docs/**/*.md", "infra/**/*.md"])
const source = sources(["src/**/*.{ts,tsx}", "streams/**/*.ts"])

const block = /^( *)```(?:sh|bash|console)\n([\s\S]*?)^\1```/gm
const blocks = (text: string) => [...text.matchAll(block)].map((match) => match[2]!)
/** Commands in the middle of a sentence; a document's blocks of code are left out. */
const mentions = (text: string) =>
  [...text.replace(/^ *```[\s\S]*?^ *```/gm, "").matchAll(/`((?:npx )?(?:[\w./-]*maestra(?:\.sh)?|npm|node) [^`\n]+)`/g)].map((match) => match[1]!)
/** The same in source, where a hint may be a template: what it fills in is any word. */
const hints = (text: string) =>
  [...text.matchAll(/\\?`((?:npx )?maestra [^`\\\n]+?)\\?`/g)].map((match) => match[1]!.replace(/\$\{[^}]*\}/g, "X"))

/** A mention may name what can be left out, in brackets, and stop anywhere. */
const mentioned = (text: string) => commandsOf(text.replace(/[[\]]/g, "")).filter(([, next]) => next !== "…")

const wrongIn = async (texts: ReadonlyArray<Source>, commands: (text: string) => ReadonlyArray<Words>, exact: boolean) => {
  const wrong: Array<string> = []
  for (const { path, text } of texts) {
    for (const words of commands(text)) for (const fault of await faultsOf(words, exact)) wrong.push(`${path}: ${words.join(" ")}: ${fault}`)
  }
  return wrong
}

describe("commands", () => {
  it("are seen", () => {
    assert.isAtLeast(documents.flatMap(({ text }) => blocks(text)).length, 15)
    assert.isAtLeast(documents.flatMap(({ text }) => mentions(text)).length, 100)
    assert.isAtLeast(source.flatMap(({ text }) => hints(text)).length, 60)
    assert.isAtLeast(examplesOfAll().length, 30)
  })

  it("in blocks of documents can be pasted", async () => {
    assert.deepStrictEqual(await wrongIn(documents, (text) => blocks(text).flatMap(commandsOf), true), [])
  })

  it("in sentences of documents exist", async () => {
    assert.deepStrictEqual(await wrongIn(documents, (text) => mentions(text).flatMap(mentioned), false), [])
  })

  it("that `--help` shows as examples can be pasted", async () => {
    assert.deepStrictEqual(await wrongIn(examplesOfAll().map((text) => ({ path: "--help", text })), commandsOf, true), [])
  })

  it("that hints name exist", async () => {
    assert.deepStrictEqual(await wrongIn(source, (text) => hints(text).flatMap(mentioned), false), [])
  })
})

describe("settings", () => {
  const program = sources(["src/**/*.{ts,tsx}", "infra/systemd/*.service", "test/{bench,conformance,soak,support}/**/*.ts"]).map(({ text }) => text).join("\n")

  const ofEveryCommand = new Set(["--help", "--version", "--log-level"])

  it("that documents name as flags are read somewhere", () => {
    const flags = documents.flatMap(({ path, text }) => [...text.matchAll(/`(--[a-z][a-z-]*)/g)].map((match) => [path, match[1]!] as const))
    assert.isAtLeast(flags.length, 30)
    const unknown = flags.filter(([, flag]) => !ofEveryCommand.has(flag) && !new RegExp(`\\("${flag.slice(2)}"|\\b${flag.slice(2)}"?: \\{ (?:type|default):|"${flag}"`).test(program))
    assert.deepStrictEqual(unknown.map((one) => one.join(": ")), [])
  })

  it("that documents name as variables are read somewhere", () => {
    const names = documents.flatMap(({ path, text }) => [...text.matchAll(/\bMAESTRA_[A-Z_]*[A-Z]\b/g)].map((match) => [path, match[0]] as const))
    assert.isAtLeast(names.length, 25)
    // a secret may stand in a file too
    assert.deepStrictEqual(names.filter(([, name]) => !program.includes(name.replace(/_FILE$/, ""))).map((one) => one.join(": ")), [])
  })
})

describe("the gate itself", () => {
  it("reads a script as a shell does", () => {
    assert.deepStrictEqual(
      commandsOf(`# nothing\nA=b npx maestra send x "buy milk" # why\n(umask 077; maestra list > 'a file') && \\\n  npm ci\nexport C=d\n`),
      [["npx", "maestra", "send", "x", "buy milk"], ["umask", "077"], ["maestra", "list"], ["npm", "ci"]])
  })

  it.each([
    ["maestra sned a b", /sned/],
    ["npx maestra list --colour", /--colour/],
    ["maestra send groceries", /text/],
    ["maestra hosted tokens create carol --scope all", /all/],
    ["maestra list too much", /too/],
    ["maestra local", /missing/],
    ["/opt/maestra-sync/src/cli/maestra.sh hosted stats", /stats/],
    ["npm run nothing", /no script nothing/],
    ["npm run soak -- --hours 1", /knows no --hours/],
    ["node test/nothing.ts", /no file/]
  ])("refuses `%s` in a block", async (line, said) => {
    assert.match((await wrongIn([{ path: "here", text: line }], commandsOf, true)).join("\n"), said)
  })

  it.each([["maestra send", 0], ["maestra local", 0], ["maestra alerts --silence MINUTES", 0], ["maestra ... up", 1], ["maestra debug PEER [--on cloud]", 1], ["npm run nothing", 1]])(
    "of a sentence expects less: `%s`", async (line, wrong) => {
      assert.lengthOf(await wrongIn([{ path: "here", text: line }], mentioned, false), wrong)
    })
})
