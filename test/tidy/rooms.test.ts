// Goal: the map in ARCHITECTURE.md stays true: imports go down only, outside words stay in their room.
// Method: read every source file's imports as text and hold them against the tables of map.ts.
import { assert, describe, it } from "@effect/vitest"
import { dirname, join } from "node:path/posix"
import * as map from "./map.ts"
import { importsOf, isIn, roomOf, sources } from "./sources.ts"

const files = sources(["src/**/*.{ts,tsx}", "streams/**/*.ts", "projections/**/*.ts"])

/** What is wrong with importing `target` from a file, or nothing. */
const objection = (path: string, target: string): string | undefined => {
  const room = roomOf(path)
  if (room === undefined) return `${path} is in no room`
  const inRooms = (rooms: ReadonlyArray<string>) => rooms.some((other) => isIn(path, other))
  if (target.startsWith(".")) {
    const to = join(dirname(path), target)
    if (!/\.(tsx?|json|css)$/.test(target)) return `${target} does not say what kind of file it is`
    // a room inside another may not climb into it unless its own row says so
    const allowed = isIn(to, room) || map.reach[room]!.some((other) => isIn(to, other))
    return allowed ? undefined : `${room} may not import ${roomOf(to) ?? to}`
  }
  if (/^effect(\/[A-Z]\w*)?$/.test(target)) return undefined
  if (target.startsWith("effect/")) {
    const rooms = map.unstable[target.split("/").slice(0, 2).join("/")] ?? []
    return inRooms(rooms) ? undefined : `${target} is unstable and for ${rooms.join(", ") || "no room yet"}`
  }
  if (target.startsWith("node:") && map.portable.includes(room)) return `${room} runs in a browser too: no ${target}`
  const row = map.packages.find(([name]) => name.test(target))
  if (row === undefined) return `${target} is in no row of map.ts`
  return inRooms(row[1]) ? undefined : `${target} is for ${row[1].join(", ") || "no room"}`
}

describe("rooms", () => {
  it("are seen, and every one in use is in the map", () => {
    assert.isAtLeast(files.length, 40)
    assert.isAtLeast(files.flatMap(({ text }) => importsOf(text)).length, 80)
    for (const room of ["streams", "projections", "src/security", "src/nats", "src/local", "src/hosted"]) {
      assert.isTrue(files.some(({ path }) => roomOf(path) === room), `${room} is empty`)
    }
  })

  it.each(files)("$path keeps to its room", ({ path, text }) => {
    assert.isDefined(roomOf(path), `${path} is in no room`)
    const objections = importsOf(text).flatMap((target) => objection(path, target) ?? [])
    assert.deepStrictEqual(objections, [])
  })

  it("have no cycle among them", () => {
    for (const [room, below] of Object.entries(map.reach)) {
      if (room === "src/cli") continue
      for (const other of below) assert.notInclude(map.reach[other] ?? [], room, `${room} and ${other} import each other`)
    }
  })
})

describe("the gate itself", () => {
  it("sees every way to import", () => {
    const text = `
      import { a } from "./one.ts"
      import type {
        B
      } from "./two.ts"
      export { c } from './three.ts'
      export * from "./four.ts"
      import "./five.ts"
      const d = await import("./six.ts")
      type E = import("./seven.ts").E
      // import { no } from "./comment.ts"
      const text = "https://example.org" // ./no.ts`
    assert.deepStrictEqual(importsOf(text), ["one", "two", "three", "four", "five", "six", "seven"].map((name) => `./${name}.ts`))
  })

  it.each([
    ["streams/a.ts", "../src/nats/b.ts"],
    ["streams/a.ts", "node:crypto"],
    ["projections/x/apply.ts", "../../src/security/seal.ts"],
    ["projections/a.ts", "@nats-io/jetstream"],
    ["src/gateway/a.ts", "../local/b.ts"],
    ["src/gateway/a.ts", "../nats/b.ts"],
    ["src/security/portable/a.ts", "../keystore.ts"],
    ["src/sdk/a.ts", "../security/keystore.ts"],
    ["src/web/a.ts", "../../streams/ids.ts"],
    ["src/local/a.ts", "@nats-io/transport-node"],
    ["src/local/a.ts", "sqlite3"],
    ["src/local/a.ts", "effect/cli"],
    ["src/local/a.ts", "effect/testing"],
    ["src/hosted/a.ts", "lodash"],
    ["src/hosted/a.ts", "../local/b.ts"],
    ["src/privacy/a.ts", "node:crypto"],
    ["src/nats/a.ts", "./b"],
    ["src/elsewhere/a.ts", "effect"]
  ])("refuses %s importing %s", (path, target) => assert.isDefined(objection(path, target)))

  it.each([
    ["src/cli/demo.ts", "../hosted/main.ts"],
    ["src/cli/demo.ts", "effect/cli/Command"],
    ["src/sdk/a.ts", "../security/portable/seal.ts"],
    ["src/sdk/a.ts", "../security/portable.ts"],
    ["src/security/a.ts", "./portable/seal.ts"],
    ["src/nats/a.ts", "@nats-io/jetstream"],
    ["src/local/a.ts", "effect/Effect"]
  ])("lets %s import %s", (path, target) => assert.isUndefined(objection(path, target)))
})
