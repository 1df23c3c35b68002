/**
 * Goal: an export holds everything, says that it is whole, and an import takes it back; a cut or altered one is noticed.
 * Method: a running local gateway, its archive unpacked by the tar of the system and read by the importer's own reader.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { openLines } from "../../src/cli/importing/lines.ts"
import { makeRig, secret } from "../support/gatewayRig.ts"

const folder = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "export-"))), (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })))
const linesIn = (text: string): ReadonlyArray<Record<string, unknown>> => text.trimEnd().split("\n").map((line) => JSON.parse(line))
const imported = async (file: string): Promise<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  for await (const group of (await openLines(file, process.stdin)).lines) for (const line of group) lines.push(Buffer.from(line).toString())
  return lines
}

describe("an export", () => {
  it.live("holds conversations, every write, settings and telemetry, with checksums that hold", () =>
    Effect.gen(function*() {
      const rig = yield* makeRig({ side: "local" })
      const path = yield* folder
      const ask = (...request: Parameters<typeof rig.ask>) => Effect.promise(() => rig.ask(...request))
      const body = Array.from({ length: 300 }, (_, i) => JSON.stringify({ conversation_id: `c${i}`, title: `t${i}`, messages: [{ role: "user", content: "x".repeat(5000) }, { role: "assistant", content: "Grüße" }] })).join("\n")
      yield* ask("POST", "/import", body)
      yield* ask("PUT", "/conversations/c0/messages/i0", { content: "edited" })
      yield* ask("DELETE", "/conversations/c0/messages/i1")
      yield* ask("PUT", "/privacy-settings", { retention_days: 30 })

      const response = yield* Effect.promise(() => fetch(`${rig.url}/privacy/export`, { method: "POST", headers: { authorization: `Bearer ${secret}` } }))
      assert.strictEqual(response.headers.get("content-type"), "application/x-tar")
      assert.strictEqual(response.headers.get("maestra-lines"), "899")
      const tar = Buffer.from(yield* Effect.promise(() => response.arrayBuffer()))
      writeFileSync(join(path, "all.tar"), tar)
      execFileSync("tar", ["-xf", "all.tar"], { cwd: path })
      execFileSync("sha256sum", ["-c", "--quiet", "SHA256SUMS"], { cwd: path })
      const files = execFileSync("tar", ["-tf", "all.tar"], { cwd: path }).toString().trimEnd().split("\n")
      assert.strictEqual(files.at(-1), "SHA256SUMS")
      assert.isAtLeast(files.filter((name) => name.startsWith("conversations/")).length, 2)
      const of = (name: string) => files.filter((file) => file.startsWith(`${name}/`)).flatMap((file) => linesIn(readFileSync(join(path, file), "utf8")))
      assert.lengthOf(of("conversations"), 300)
      assert.strictEqual(of("settings")[0]!["retention_days"], 30)
      assert.deepInclude(of("about")[0], { format: "maestra-export:1", side: "local", user_id: "ada" })
      const history = of("history")
      assert.lengthOf(history, 300 + 600 + 2)
      assert.deepStrictEqual(history.filter(({ conversation_id, message_id }) => conversation_id === "c0" && message_id === "i0").map(({ content, type }) => [type, String(content).length]), [["message.appended", 5000], ["message.edited", 6]])

      writeFileSync(join(path, "all.tar.gz"), gzipSync(tar))
      assert.deepStrictEqual((yield* Effect.promise(() => imported(join(path, "all.tar.gz")))).map((line) => JSON.parse(line)), of("conversations"))
    }))

  it.live("that was cut off or altered is not taken for whole", () =>
    Effect.gen(function*() {
      const rig = yield* makeRig({ side: "local" })
      const path = yield* folder
      yield* Effect.promise(() => rig.ask("POST", "/import", JSON.stringify({ conversation_id: "c", messages: [{ role: "user", content: "buy oat milk" }] })))
      const response = yield* Effect.promise(() => fetch(`${rig.url}/privacy/export`, { method: "POST", headers: { authorization: `Bearer ${secret}` } }))
      const tar = Buffer.from(yield* Effect.promise(() => response.arrayBuffer()))
      const whyNot = (bytes: Uint8Array) => {
        writeFileSync(join(path, "it.tar"), bytes)
        return Effect.promise(() => imported(join(path, "it.tar")).then(() => "taken", (error: Error) => error.message))
      }
      assert.strictEqual(yield* whyNot(tar), "taken")
      assert.match(yield* whyNot(tar.subarray(0, tar.indexOf("SHA256SUMS", tar.indexOf("conversations/")))), /cut off|Unexpected end/)
      const altered = Buffer.from(tar)
      altered.write("is", altered.indexOf("buy oat milk"))
      assert.match(yield* whyNot(altered), /conversations\/00001.jsonl is not what its checksum says/)
    }))
})

describe("privacy settings", () => {
  it.live("that are wrong are refused by name, and change nothing", () =>
    Effect.gen(function*() {
      const rig = yield* makeRig({ side: "local" })
      const before = (yield* Effect.promise(() => rig.ask("GET", "/privacy-settings"))).text
      for (const [field, value] of [["retention_days", 0], ["retention_days", "90"], ["redact_pii", "no"], ["allowed_surfaces", "web"], ["default_region", "Germany"], ["redact_everything", true]] as const) {
        const { status, text } = yield* Effect.promise(() => rig.ask("PUT", "/privacy-settings", { [field]: value }))
        assert.strictEqual(status, 400, field)
        assert.include(text, field)
      }
      assert.strictEqual((yield* Effect.promise(() => rig.ask("GET", "/privacy-settings"))).text, before)
    }))
})
