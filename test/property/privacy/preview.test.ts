// Goal: a preview shows what the gate would let out, no more and no less, and where something is hidden.
// Method: lines of an import file through the preview; each place it names is looked up in the text as given.
import { assert, describe, it } from "@effect/vitest"
import { makeAlias } from "../../../src/gateway/privacy/alias.ts"
import { preview } from "../../../src/gateway/privacy/preview.ts"
import { readImport } from "../../../src/gateway/import/lines.ts"
import { defaults, type Settings } from "../../../streams/events/settings.ts"

const now = "2026-11-22T10:00:00.000Z"
const previewOf = (line: object, settings: Partial<Settings> = {}) => {
  const { lines } = readImport(new TextEncoder().encode(JSON.stringify(line)), now)
  return preview(lines[0]!, { settings: { ...defaults, ...settings }, shareId: makeAlias() })
}

const content = "😀 mail bob@example.com, call 555-123-4567, pay 4111111111111111, ssn 123-45-6789"
const line = { conversation_id: "c1", title: "call 555-123-4567", messages: [{ id: "m1", role: "user", content }, { role: "bob@example.com", content: "plain", surface: "web" }] }

describe("a preview", () => {
  it("says what is hidden, and where in what was given", () => {
    const { messages, title, title_redactions } = previewOf(line)
    assert.strictEqual(messages[0]!.content, "😀 mail [REDACTED_EMAIL], call [REDACTED_PHONE], pay [REDACTED_CREDIT_CARD], ssn [REDACTED_SSN]")
    assert.deepStrictEqual(messages[0]!.redactions.map(({ end, kind, start }) => [kind, content.slice(start, end)]), [
      ["EMAIL", "bob@example.com"], ["PHONE", "555-123-4567"], ["CREDIT_CARD", "4111111111111111"], ["SSN", "123-45-6789"]
    ])
    assert.deepStrictEqual([title, title_redactions], ["call [REDACTED_PHONE]", [{ kind: "PHONE", start: 5, end: 17 }]])
    assert.deepStrictEqual(messages[1], { id: "i1", role: "[REDACTED_EMAIL]", content: "plain", timestamp: now, surface: "web", redactions: [] })
  })

  it("shows everything as it is where nothing is to be redacted", () => {
    const { messages, title } = previewOf(line, { redact_pii: false })
    assert.deepStrictEqual([title, ...messages.map((message) => [message.content, message.role, message.redactions])], [line.title, [content, "user", []], ["plain", "bob@example.com", []]])
  })

  it("gives an id that must not leave one name", () => {
    const { conversation_id, messages } = previewOf({ conversation_id: "bob@example.com", messages: [{ id: "bob@example.com", role: "user", content: "" }, { id: "ok-1", role: "user", content: "" }] })
    assert.match(conversation_id, /^h_[A-Za-z0-9_-]{43}$/)
    assert.deepStrictEqual(messages.map(({ id }) => id), [conversation_id, "ok-1"])
  })

  it("leaves out what would stay, and says why", () => {
    const surface = previewOf(line, { allowed_surfaces: ["web"] })
    assert.deepStrictEqual([surface.messages.map(({ content }) => content), surface.withheld, surface.title], [["plain"], { why: "surface", messages: 1 }, undefined])
    const off = previewOf(line, { sync_conversations: false })
    assert.deepStrictEqual([off.messages, off.withheld, off.title], [[], { why: "sync_conversations", messages: 2 }, undefined])
    assert.notInclude(JSON.stringify(off), "555")
  })
})
