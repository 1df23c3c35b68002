import { globSync, readFileSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { join } from "node:path"
import { reach } from "./map.ts"

/** The top of the checkout, with a slash at the end. */
export const root = fileURLToPath(new URL("../../", import.meta.url))

export interface Source {
  /** From the top of the checkout, with `/`. */
  readonly path: string
  readonly text: string
}

const ignored = /(^|\/)(node_modules|\.git|\.maestra-demo|\.cache|coverage|dist)(\/|$)/

/** Files as text; no compiler, so no compiler upgrade can blind the tests that read them. */
export const sources = (pattern: string | ReadonlyArray<string>): ReadonlyArray<Source> =>
  globSync(pattern, { cwd: root, exclude: (path) => ignored.test(path) })
    .map((path) => path.replaceAll("\\", "/"))
    // a test beside this one may make a file here and take it away again
    .filter((path, at, all) => all.indexOf(path) === at && statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true)
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))

const roomNames = Object.keys(reach).toSorted((a, b) => b.length - a.length)
export const isIn = (path: string, room: string): boolean => path === room || path.startsWith(`${room}/`) || path === `${room}.ts`
/** The most specific room a file is in. */
export const roomOf = (path: string): string | undefined => roomNames.find((room) => isIn(path, room))

const importLine = /^\s*(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"'\n]+)["']|^\s*import\s+["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']\s*\)|\brequire\(\s*["']([^"'\n]+)["']/gm

/** Every module a text names: static, for effect, dynamic, re-exported, of types too. */
export const importsOf = (text: string): ReadonlyArray<string> =>
  [...withoutComments(text).matchAll(importLine)].map((match) => (match[1] ?? match[2] ?? match[3] ?? match[4])!)

/** The code alone. A `//` inside a string follows a colon (an address), so it is left standing. */
export const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[\s;{}(),])\/\/.*$/gm, "$1")
