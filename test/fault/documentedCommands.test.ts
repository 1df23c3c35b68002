// Goal: every command a document shows exists, with the flags it is shown with.
// Method: the program tells its own commands and flags (`--completions`); code in the Markdown files is held against that. Scripts of package.json by name.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "vitest"
import { runCli, withFolder } from "../support/runCli.ts"
import { root, sources } from "../tidy/sources.ts"

const documents = sources(["*.md", "docs/**/*.md", "infra/**/*.md"])
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly scripts: Readonly<Record<string, string>> }

interface Node {
  readonly below: Map<string, Node>
  readonly flags: Set<string>
}
const empty = (): Node => ({ below: new Map(), flags: new Set() })
const everywhere = ["json", "data-dir", "help", "version", "log-level", "completions"]

/** The tree of commands, out of the lines fish is given: which commands stand before, and what may follow. */
const treeOf = (completions: string): Node => {
  const top = empty()
  const walk = (path: ReadonlyArray<string>) => path.reduce((node, name) => {
    if (!node.below.has(name)) node.below.set(name, empty())
    return node.below.get(name)!
  }, top)
  for (const line of completions.split("\n")) {
    const [, condition = "", rest = ""] = /^complete -c maestra -n '(.*?)' (.*)$/.exec(line) ?? []
    const path = [...condition.matchAll(/(not )?__fish_seen_subcommand_from ([\w-]+)/g)].flatMap(([, not, name]) => not === undefined ? [name!] : [])
    const below = /^-f -a '([\w-]+)'/.exec(rest)?.[1]
    const flag = /-l ([\w-]+)/.exec(rest)?.[1]
    if (below !== undefined && /__fish_use_subcommand|not __fish_seen_subcommand_from/.test(condition)) walk([...path, below])
    if (flag !== undefined) walk(path).flags.add(flag)
  }
  return top
}

/** Lines of shell blocks and pieces of code in sentences. */
const codeIn = (text: string): ReadonlyArray<string> => [
  ...[...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap((match) => match[1]!.split("\n")),
  ...[...text.replace(/^ *```[\s\S]*?^ *```/gm, "").matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!)
]
const commandsIn = (text: string): ReadonlyArray<string> =>
  codeIn(text).flatMap((line) => [...line.matchAll(/(?:^|[\s(])(?:\S*\/)?maestra(?:\.sh)? ([^#|&;)]*)/g)].map((match) => match[1]!.trim()))
    // a file's name, a unit's
    .filter((words) => /^(--)?[a-z]/.test(words))

/** What is wrong with a command line, or nothing. */
const wrongIn = (top: Node, line: string): string | undefined => {
  const words = line.replace(/[[\]]/g, "").replace(/^--data-dir \S+ /, "").split(/\s+/)
  let node = top
  while (node.below.has(words[0]!)) node = node.below.get(words.shift()!)!
  const [next = ""] = words
  if (node.below.size > 0 && node !== top && /^[a-z][a-z-]*$/.test(next)) return `there is no ${next} there`
  if (node === top && !next.startsWith("--")) return `there is no command ${next}`
  const unknown = words.flatMap((word) => /^--([a-z][a-z-]*)/.exec(word)?.[1] ?? []).find((flag) => !node.flags.has(flag) && !everywhere.includes(flag))
  return unknown === undefined ? undefined : `it has no --${unknown}`
}

describe("commands in documents", () => {
  let top = empty()
  beforeAll(async () => {
    top = treeOf((await withFolder((dataDir) => runCli(["--completions", "fish"], { dataDir }))).stdout)
  }, 60_000)

  it("are many, and the program knows many", () => {
    assert.isAtLeast(documents.flatMap(({ text }) => commandsIn(text)).length, 120)
    assert.isTrue(top.below.get("hosted")?.below.get("cluster")?.below.get("restore")?.flags.has("replace"))
  })

  it.each(documents.filter(({ text }) => commandsIn(text).length > 0))("$path shows what there is", ({ text }) => {
    const wrong = commandsIn(text).flatMap((line) => {
      const why = wrongIn(top, line)
      return why === undefined ? [] : [`maestra ${line}: ${why}`]
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("would be found wrong", () => {
    assert.strictEqual(wrongIn(top, "hosted cluster up --onyl admin"), "it has no --onyl")
    assert.strictEqual(wrongIn(top, "hosted cluster start"), "there is no start there")
    assert.strictEqual(wrongIn(top, "sned a b"), "there is no command sned")
  })

  it("of npm are scripts of package.json, with flags that stand in what it starts", () => {
    const shown = documents.flatMap(({ path, text }) => codeIn(text).flatMap((line) => [...line.matchAll(/\bnpm run ([\w:]+)([^#|&;)`]*)/g)].map(([, name, rest]) => ({ path, name: name!, rest: rest! }))))
    assert.isAtLeast(shown.length, 20)
    for (const { name, path, rest } of shown) {
      const script = manifest.scripts[name] ?? ""
      assert.notStrictEqual(script, "", `${path}: npm run ${name}`)
      const file = /(\S+\.m?[jt]s)/.exec(script)?.[1] ?? "package.json"
      for (const [, flag] of rest.matchAll(/--([a-z][a-z-]*)/g)) assert.include(readFileSync(join(root, file), "utf8"), flag!, `${path}: npm run ${name} --${flag}`)
    }
  })
})
