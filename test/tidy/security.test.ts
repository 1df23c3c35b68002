// Goal: what docs/SECURITY.md claims is shown by tests that exist, and what is installed is what was looked at.
// Method: every `file`: "title" of the document is looked up in that file; the lock file is read entry by entry.
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { root } from "./sources.ts"

const document = readFileSync(join(root, "docs/SECURITY.md"), "utf8")
const claims = [...document.matchAll(/`(test\/[\w./-]+\.test\.ts)`: "([^"]+)"/g)].map(([, file = "", title = ""]) => ({ file, title }))
const adversaries = ["A hostile peer", "The thief of a laptop", "The curious operator of the hosted side, and a stolen backup", "The network", "A malicious web page"]

const Names = Schema.Union([Schema.String, Schema.Array(Schema.String)])
const Package = Schema.Struct({
  version: Schema.optionalKey(Schema.String),
  integrity: Schema.optionalKey(Schema.String),
  hasInstallScript: Schema.optionalKey(Schema.Boolean),
  dev: Schema.optionalKey(Schema.Boolean),
  optional: Schema.optionalKey(Schema.Boolean),
  os: Schema.optionalKey(Names),
  cpu: Schema.optionalKey(Names),
  libc: Schema.optionalKey(Names)
})
const Lock = Schema.fromJsonString(Schema.Struct({ lockfileVersion: Schema.Int, packages: Schema.Record(Schema.String, Package) }))
const Manifest = Schema.fromJsonString(Schema.Struct({
  dependencies: Schema.Record(Schema.String, Schema.String),
  devDependencies: Schema.Record(Schema.String, Schema.String),
  optionalDependencies: Schema.Record(Schema.String, Schema.String),
  allowScripts: Schema.Record(Schema.String, Schema.Boolean)
}))
const manifest = Schema.decodeUnknownSync(Manifest)(readFileSync(join(root, "package.json"), "utf8"))
const installed = Object.entries(Schema.decodeUnknownSync(Lock)(readFileSync(join(root, "package-lock.json"), "utf8")).packages).filter(([path]) => path !== "")

describe("claims of security", () => {
  it("are there for every adversary", () => {
    assert.isAtLeast(claims.length, 30)
    for (const adversary of adversaries) {
      const [, part = ""] = document.split(`\n### ${adversary}\n`)
      assert.match(part.split(/\n##+ /)[0]!, /`test\/[\w./-]+\.test\.ts`: "/, adversary)
    }
  })

  it("every row of a table of claims, and every test that is named, says which test it is", () => {
    const rows = document.split("\n| claim | shown by |\n").slice(1).flatMap((part) => part.split("\n\n")[0]!.split("\n").slice(1))
    assert.isAtLeast(rows.length, 25)
    for (const row of rows) assert.match(row, /`test\/[\w./-]+\.test\.ts`: "/, row)
    const named = [...document.matchAll(/`(test\/[^`]*)`/g)].map(([, file]) => file)
    assert.strictEqual(named.length, claims.length)
  })

  it.each(claims)("$file has a test $title", ({ file, title }) => {
    assert.isTrue(existsSync(join(root, file)), file)
    const source = readFileSync(join(root, file), "utf8").replace(/^\s*(\/\/|\*).*$/gm, "")
    const at = [`"${title}"`, `\`${title}\``].map((text) => source.indexOf(text)).find((index) => index !== -1)
    assert.isDefined(at, `${file}: ${title}`)
    // the first argument of a test that runs: a line before it begins with `it`, and nothing leaves it out
    const call = source.slice(source.lastIndexOf("\n", at) + 1, at)
    assert.match(call, /^\s*it(\.\w+)*(\(.*\))?\($/, `${file}: ${title} is no test`)
    assert.notMatch(call, /\.(skip|todo|fails)\b/, `${file}: ${title} is left out`)
    assert.notMatch(source, /\bdescribe\.(skip|todo)\(/, file)
  })
})

describe("the supply chain", () => {
  it("every package is one version, with a hash", () => {
    const hashed = installed.filter(([, { integrity }]) => integrity !== undefined)
    assert.isAtLeast(hashed.length, 200)
    for (const [path, { integrity }] of hashed) assert.match(integrity!, /^sha512-\S+$/, path)
    for (const [path, { version }] of installed) assert.match(version ?? "", /^\d+\.\d+\.\d+\S*$/, path)
    // tools for developing on other platforms, which were never installed here
    for (const [path, { cpu = [], dev, libc = [], optional, os = [] }] of installed.filter(([, { integrity }]) => integrity === undefined)) {
      assert.deepStrictEqual([dev, optional], [true, true], path)
      assert.isFalse(os.includes("linux") && cpu.includes("x64") && !libc.includes("musl"), path)
    }
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies })) assert.match(version, /^\d+\.\d+\.\d+\S*$/, name)
  })

  it("only the packages that are listed run a script at installation", () => {
    const withScript = installed.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path.split("node_modules/").at(-1)!)
    assert.deepStrictEqual(withScript, Object.keys(manifest.allowScripts))
    for (const name of withScript) assert.include(document, `\`${name}\``)
  })
})
