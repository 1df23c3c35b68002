// Goal: the SDK can be published as it is: others' programs compile against it and run on it, with its dependencies and nothing else.
// Method: build it, put it beside its dependencies in an empty place, compile users of it (Node, browser) with the strictest settings, run one.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
}
const manifestOf = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8")) as Manifest
const sdk = manifestOf("infra/sdk/package.json")

const inNode = `
import { keychainVault, MaestraError, memoryKeychain, memoryStorage, openMaestra, type Maestra } from "${sdk.name}"
import { fileKeychain, fileStorage } from "${sdk.name}/node"
import { localBackend } from "${sdk.name}/owner"

const maestra: Maestra = await openMaestra({ platform: "web", storage: memoryStorage(), vault: keychainVault(memoryKeychain()) })
const refused = await maestra.status().catch((cause: unknown) => cause instanceof MaestraError ? cause.kind : "another")
const away = await localBackend({ url: "http://127.0.0.1:9", token: "t" }, "web").status().catch((cause: unknown) => cause instanceof MaestraError ? cause.kind : "another")
console.log(JSON.stringify([/^web_sha256_/.test(maestra.backendId), refused, away, typeof fileStorage, typeof fileKeychain]))
`
const inBrowser = `
import { cryptoKeyVault, indexedDbStorage, openMaestra } from "${sdk.name}"
import { conversationsOf, listen, requestsTo } from "${sdk.name}/owner"

export const open = async (): Promise<string> => {
  const storage = await indexedDbStorage(window)
  const maestra = await openMaestra({ platform: "web", storage, vault: cryptoKeyVault(storage) })
  const access = { url: location.origin, token: "t" }
  void listen(access, { onEvent: ({ subject }) => document.title = subject, onLive: () => undefined, signal: new AbortController().signal })
  const { items } = await conversationsOf(requestsTo(access), { surface: "web" }).list({ limit: 1 })
  await maestra.emit({ event_type: "page view", metadata: { items: items.length } })
  return (await maestra.list())[0]?.messages[0]?.reached ?? "nothing"
}
`

describe("the SDK as it is published", () => {
  const place = mkdtempSync(join(tmpdir(), "maestra-package-"))
  const folder = join(place, "node_modules", sdk.name)
  beforeAll(() => {
    execFileSync(process.execPath, [join(root, "infra/sdk/build.mjs"), folder], { stdio: "pipe" })
    for (const name of Object.keys(sdk.dependencies)) {
      mkdirSync(dirname(join(place, "node_modules", name)), { recursive: true })
      symlinkSync(join(root, "node_modules", name), join(place, "node_modules", name))
    }
    writeFileSync(join(place, "package.json"), `{ "type": "module" }`)
  })
  afterAll(() => rmSync(place, { recursive: true }))

  const compiled = (name: string, source: string, more: Readonly<Record<string, unknown>>) => {
    writeFileSync(join(place, `${name}.ts`), source)
    const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false, target: "ES2024", outDir: ".", ...more }
    writeFileSync(join(place, `${name}.json`), JSON.stringify({ compilerOptions: strict, files: [`${name}.ts`] }))
    const { status, stdout } = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", join(place, `${name}.json`)], { encoding: "utf8" })
    assert.deepStrictEqual([stdout, status], ["", 0])
  }

  it("compiles and runs in Node", () => {
    const types = { types: ["node"], typeRoots: [join(root, "node_modules/@types")] }
    compiled("node", inNode, { module: "NodeNext", lib: ["ES2024"], ...types, skipLibCheck: true })
    const told = execFileSync(process.execPath, [join(place, "node.js")], { encoding: "utf8", cwd: place })
    assert.deepStrictEqual(JSON.parse(told), [true, "not-joined", "unreachable", "function", "function"])
  })

  it("compiles for a browser, types checked to the last", () => {
    compiled("browser", inBrowser, { module: "ESNext", moduleResolution: "bundler", lib: ["ES2024", "DOM", "DOM.Iterable", "DOM.AsyncIterable"], types: [] })
  })

  it("has the dependencies it says, in the versions that are tested here, and no schemas inside", () => {
    const own = manifestOf("package.json")
    assert.strictEqual(sdk.version, own.version)
    for (const [name, version] of Object.entries(sdk.dependencies)) assert.strictEqual(own.dependencies[name], version, name)
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => /\.(js|d\.ts)$/.test(file))
    assert.isAtLeast(files.length, 60)
    const outside = files.flatMap((file) => [...readFileSync(join(folder, file), "utf8").matchAll(/^(?:import|export)\s(?:[^"]* from )?"([^."][^"]*)"/gm)].map(([, name]) => name!))
    const names = new Set(outside.map((name) => name.startsWith("node:") ? "node:" : name.split("/")[0]!))
    assert.deepStrictEqual([...names].sort(), [...Object.keys(sdk.dependencies), "node:"].sort())
  })
})
