// Builds the SDK as it is published, into a folder: node infra/sdk/build.mjs [FOLDER]. JavaScript and types of what its
// entry points reach, and nothing else: no schemas, no Effect.
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, "../..")
const folder = resolve(process.argv[2] ?? join(root, "dist/sdk"))

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", here, "--outDir", folder], { stdio: "inherit" })
copyFileSync(join(here, "package.json"), join(folder, "package.json"))

/** A file and what it imports, by relative paths; types keep the `.ts` of their source. */
const reached = new Set()
const follow = (file) => {
  if (reached.has(file)) return
  reached.add(file)
  const kind = file.endsWith(".d.ts") ? ".d.ts" : ".js"
  for (const [, target] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) follow(join(dirname(file), target.replace(/\.(ts|js)$/, kind)))
}
for (const entry of Object.values(JSON.parse(readFileSync(join(here, "package.json"), "utf8")).exports)) for (const file of Object.values(entry)) follow(join(folder, file))

for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name)
  if (entry.isFile() && /\.(js|d\.ts)$/.test(entry.name) && !reached.has(file)) rmSync(file)
}
console.log(`${reached.size} files in ${folder}`)
