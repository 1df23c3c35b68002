// Goal: a pairing code comes back whole, and a slip of the hand is called one.
// Method: random codes there and back, every one-character change and swap, crafted contents.
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result, Schema } from "effect"
import { decodePairingCode, encodePairingCode, type PairingCode } from "../../../src/security/pairingCode.ts"

const code: PairingCode = {
  url: "https://maestra.example.org:8443/base",
  fingerprint: "A".repeat(43),
  userId: "justin",
  secret: Redacted.make(new Uint8Array(32).map((_, at) => at * 7))
}
const reasonOf = (text: string) => {
  const read = decodePairingCode(text)
  return Result.isSuccess(read) ? "read" : read.failure.reason
}
const crafted = (content: unknown) => {
  const bytes = Buffer.from(typeof content === "string" ? content : JSON.stringify(content))
  return `maestra-${Buffer.concat([bytes, createHash("sha256").update(bytes).digest().subarray(0, 4)]).toString("base64url")}`
}

describe("pairing codes", () => {
  it.prop("come back as they were, wrapped or not", [Schema.NonEmptyString], ([user]) => {
    const userId = user.toWellFormed().slice(0, 100).toWellFormed()
    const text = encodePairingCode({ ...code, userId })
    const wrapped = ` ${text.slice(0, 40)}\r\n  ${text.slice(40)}\n`
    for (const one of [text, wrapped]) {
      const read = Result.getOrThrow(decodePairingCode(one))
      assert.deepStrictEqual({ ...read, secret: [...Redacted.value(read.secret)] }, { ...code, userId, secret: [...Redacted.value(code.secret)] })
    }
    return true
  })

  it("are refused with a slip in any place", () => {
    const text = encodePairingCode(code)
    for (let at = 0; at < text.length; at++) {
      for (const other of ["x", "0", "_", "é"]) {
        if (text[at] === other) continue
        assert.strictEqual(reasonOf(text.slice(0, at) + other + text.slice(at + 1)), at < 8 ? "not-a-code" : "mistyped", `${at} ${other}`)
      }
      if (at >= 8 && at + 1 < text.length && text[at] !== text[at + 1]) {
        assert.strictEqual(reasonOf(text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2)), "mistyped")
      }
      assert.notStrictEqual(reasonOf(text.slice(0, at)), "read")
    }
  })

  it("say what is wrong, and never show the secret", () => {
    const content = { v: 1, url: "https://x", fingerprint: "A".repeat(43), user_id: "u", secret: Buffer.alloc(32).toString("base64url") }
    assert.strictEqual(reasonOf(crafted(content)), "read")
    assert.strictEqual(reasonOf(crafted({ ...content, v: 2 })), "newer-version")
    for (const bad of ["no json", {}, null, { ...content, v: 0 }, { ...content, url: "ftp://x" }, { ...content, url: "https://me:pw@x" }, { ...content, url: "javascript:x" }, { ...content, secret: "AAAA" }, { ...content, fingerprint: "x" }]) {
      assert.strictEqual(reasonOf(crafted(bad)), "malformed", JSON.stringify(bad))
    }
    for (const text of ["", "hello", "maestra", "A".repeat(9000)]) assert.strictEqual(reasonOf(text), "not-a-code")
    const read = Result.getOrThrow(decodePairingCode(encodePairingCode(code)))
    assert.notInclude(JSON.stringify(read), Buffer.from(Redacted.value(code.secret)).toString("base64url"))
  })
})
