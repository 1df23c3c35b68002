// Goal: documents do not rot: links lead somewhere, files they name exist, every decision is listed.
// Method: read every Markdown file as text; follow what it points at.
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { version } from "../../streams/version.ts"
import { root, sources } from "./sources.ts"

const documents = sources(["*.md", "docs/**/*.md", "infra/**/*.md"])
const decisions = documents.filter(({ path }) => /^docs\/decisions\/\d/.test(path))
const index = documents.find(({ path }) => path === "docs/decisions/README.md")

/** Text without fenced blocks: examples may name what a reader will make. */
const prose = (text: string) => text.replace(/^```[\s\S]*?^```/gm, "")
const links = (text: string) => [...prose(text).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map((match) => match[1]!)
/** Backticked paths below the folders of the map; patterns and parts in angle brackets name no one file. */
const named = (text: string) =>
  [...prose(text).matchAll(/`((?:src|streams|projections|test|docs|infra)\/[\w./-]+)`/g)].map((match) => match[1]!)
/** A heading's anchor, as GitHub makes it. */
const anchors = (text: string) =>
  new Set([...prose(text).matchAll(/^#+\s+(.*)$/gm)].map((match) =>
    match[1]!.toLowerCase().replace(/[`*]/g, "").replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")))

describe("documents", () => {
  it("are seen", () => {
    assert.isAtLeast(documents.length, 10)
    assert.isAtLeast(documents.flatMap(({ text }) => links(text)).length, 9)
  })

  it.each(documents)("$path points at what is there", ({ path, text }) => {
    for (const link of links(text)) {
      if (/^[a-z]+:/.test(link)) continue
      const [file, anchor] = link.split("#") as [string, string | undefined]
      const target = file === "" ? path : join(dirname(path), file)
      assert.isTrue(existsSync(join(root, target)), `${path} links to ${link}`)
      const document = documents.find((other) => other.path === target)
      if (anchor !== undefined && document !== undefined) {
        assert.isTrue(anchors(document.text).has(anchor), `${path} links to ${link}: no such heading`)
      }
    }
    for (const file of named(text)) assert.isTrue(existsSync(join(root, file)), `${path} names ${file}`)
  })
})

describe("source", () => {
  const source = sources(["src/!(web)/**/*.ts", "streams/**/*.ts", "projections/**/*.ts"])
  /** `docs/PROTOCOL.md 6.2`: a document and the number of a heading in it. */
  const pointed = source.flatMap(({ path, text }) => [...text.matchAll(/(?<![\w/.])((?:docs\/)?[\w-]+\.md)\b(?: (\d(?:\.\d)?)\b)?/g)].map((match) => ({ path, file: match[1]!, number: match[2] })))

  it("points at documents that are there", () => {
    assert.isAtLeast(pointed.length, 15)
    for (const { file, number, path } of pointed) {
      const document = documents.find((one) => one.path === file)
      assert.isDefined(document, `${path} points at ${file}`)
      if (number !== undefined) assert.match(document!.text, new RegExp(`^##+ ${number.replace(".", "\\.")}\\b`, "m"), `${path} points at ${file} ${number}`)
    }
  })

  it("and package.json say the same version", () => {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string }
    assert.strictEqual(version, manifest.version)
  })
})

describe("decision records", () => {
  it("are numbered without a gap", () => {
    assert.isAtLeast(decisions.length, 9)
    const numbers = decisions.map(({ path }) => Number(/(\d{4})-/.exec(path)?.[1]))
    assert.deepStrictEqual(numbers, numbers.map((_, at) => at + 1))
  })

  it.each(decisions)("$path says context, options, decision, consequences", ({ path, text }) => {
    const number = Number(/(\d{4})-/.exec(path)![1])
    assert.match(text, new RegExp(`^# ${number}\\. `), "its first line is its number and title")
    for (const part of ["Context", "Options", "Decision", "Consequences"]) assert.include(text, `\n## ${part}\n`)
  })

  it("are all listed, by their title", () => {
    assert.isDefined(index)
    for (const { path, text } of decisions) {
      const title = /^# \d+\. (.*)$/m.exec(text)![1]!
      assert.include(index.text, `[${title}](${path.slice("docs/decisions/".length)})`)
    }
    assert.strictEqual(links(index.text).filter((link) => /^\d{4}-/.test(link)).length, decisions.length)
  })
})
