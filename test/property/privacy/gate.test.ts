// Goal: what leaves is exactly what the settings allow, and an id has one name outside for ever.
// Method: a row for every event type, then planted data in every field under every combination of settings.
import { assert, describe, it } from "@effect/vitest"
import { definitions, type EventType, type Fact, type FactOf } from "../../../streams/catalog.ts"
import type { Opened } from "../../../streams/Envelope.ts"
import { dataschemaOf } from "../../../streams/catalog.ts"
import { defaults, type Settings } from "../../../streams/events/settings.ts"
import { gate, holdsContent, isShareable } from "../../../src/privacy/gate.ts"

const source = `local_sha256_${"a".repeat(64)}`
const time = "2026-11-22T10:00:00.000Z"
const stamp = { lamport: 3, time, source }
const shareId = (id: string): string => `h_${[...id].map((character) => character.charCodeAt(0).toString(16)).join("")}`

const opened = (fact: Fact, about: { readonly subject?: string; readonly surface?: string; readonly sessionid?: string } = {}): Opened => ({
  envelope: {
    specversion: "1.0", id: "01930000-0000-7000-8000-000000000000", type: fact.type, dataschema: dataschemaOf(fact.type), source, time,
    subject: "conv-1", lamport: 4, surface: "web", datacontenttype: "application/json", data: fact.data, ...about
  },
  fact
})

const message = { message_id: "m1", role: "user", content: "hello", timestamp: time }
const identity = { backend_id: source, backend_type: "local", public_key: "john@example.com", wrap_key: "k", capabilities: [], version: "1.0", created_at: time } as const
const peer = { peer_id: "peer_0123456789abcdef", identity, challenge: "555-123-4567", proof: "p", expires_at: time }

/** An event of every type; the type makes a missing row a compile error. */
const facts: { readonly [T in EventType]: FactOf<T> } = {
  "conversation.created": { type: "conversation.created", data: { title: "call 555-123-4567" } },
  "conversation.renamed": { type: "conversation.renamed", data: { title: "call 555-123-4567" } },
  "conversation.deleted": { type: "conversation.deleted", data: { title: "call 555-123-4567" } },
  "conversation.expired": { type: "conversation.expired", data: { before_seq: 3 } },
  "conversation.snapshot": { type: "conversation.snapshot", data: { messages: [{ content: "call 555-123-4567" }] } },
  "message.appended": { type: "message.appended", data: { ...message, content: "call 555-123-4567" } },
  "message.edited": { type: "message.edited", data: { ...message, content: "call 555-123-4567", base: stamp } },
  "message.deleted": { type: "message.deleted", data: { message_id: "john@example.com", base: stamp } },
  "settings.changed": { type: "settings.changed", data: { sync_enabled: false, allowed_surfaces: ["web-555-123-4567"] } },
  "tenant.erased": { type: "tenant.erased", data: { erased_at: time, before_seq: 9 } },
  "peer.registered": { type: "peer.registered", data: peer },
  "peer.renewed": { type: "peer.renewed", data: peer },
  "peer.confirmed": { type: "peer.confirmed", data: { peer_id: peer.peer_id, key_id: "k".repeat(43) } },
  "peer.revoked": { type: "peer.revoked", data: { peer_id: peer.peer_id, cause: "lost", note: "ask john@example.com" } },
  "key.rotated": { type: "key.rotated", data: { peer_id: peer.peer_id, public_key: "k", old_key_id: "k".repeat(43), grace_ends_at: time, signature: "s" } }
}
const types = Object.keys(definitions) as ReadonlyArray<EventType>

const everySetting = (): ReadonlyArray<Settings> =>
  [true, false].flatMap((sync_enabled) => [true, false].flatMap((sync_conversations) => [true, false].flatMap((redact_pii) =>
    [null, ["web"], ["ios"]].map((allowed_surfaces) => ({ ...defaults, sync_enabled, sync_conversations, redact_pii, allowed_surfaces })))))

describe("gate", () => {
  it.each(types)("lets %s go exactly when the settings allow it", (type) => {
    for (const settings of everySetting()) {
      const verdict = gate({ opened: opened(facts[type]), settings, shareId })
      const expected = !holdsContent(type) || (settings.sync_enabled && settings.sync_conversations)
        ? holdsContent(type) && settings.allowed_surfaces?.includes("web") === false ? "withhold" : "send"
        : "stop"
      assert.strictEqual(verdict._tag, expected, JSON.stringify(settings))
      if (verdict._tag === "stop") assert.strictEqual(verdict.why, settings.sync_enabled ? "sync_conversations" : "sync_enabled")
      if (verdict._tag !== "send") continue
      const leaves = JSON.stringify(verdict)
      if (!holdsContent(type)) assert.strictEqual(verdict.fact, facts[type])
      else {
        assert.strictEqual(leaves.includes("555-123-4567"), !settings.redact_pii && JSON.stringify(facts[type]).includes("555-123-4567"))
        assert.strictEqual(verdict.changed, settings.redact_pii && JSON.stringify(facts[type]).includes("555-123-4567"))
      }
    }
  })
  it("redacts every field of a message and keeps what it answers", () => {
    const fact: Fact = {
      type: "message.edited",
      data: { message_id: "mail john@example.com", role: "jane@example.com", content: "😀 ssn 123-45-6789", timestamp: "(555) 123-4567", base: stamp }
    }
    const verdict = gate({ opened: opened(fact, { subject: "+1 555 123 4567", surface: "a@b.co", sessionid: "4111111111111111" }), settings: defaults, shareId })
    assert.deepStrictEqual(verdict, {
      _tag: "send",
      fact: {
        type: "message.edited",
        data: {
          message_id: shareId("mail john@example.com"), role: "[REDACTED_EMAIL]", content: "😀 ssn [REDACTED_SSN]", timestamp: "[REDACTED_PHONE]", base: stamp
        }
      },
      subject: shareId("+1 555 123 4567"),
      surface: "[REDACTED_EMAIL]",
      sessionid: "[REDACTED_CREDIT_CARD]",
      changed: true,
      spans: [{ kind: "SSN", start: 7, end: 18 }],
      aliases: [
        { shared: shareId("+1 555 123 4567"), original: "+1 555 123 4567" },
        { shared: shareId("mail john@example.com"), original: "mail john@example.com" }
      ]
    })
  })
  it("reads national numbers as those of the region the settings name", () => {
    const fact: Fact = { type: "message.appended", data: { ...message, content: "Ruf an: 030 1234567" } }
    const content = (settings: Partial<Settings>) => {
      const verdict = gate({ opened: opened(fact), settings: { ...defaults, ...settings }, shareId })
      return verdict._tag === "send" && verdict.fact.type === "message.appended" && verdict.fact.data.content
    }
    assert.strictEqual(content({ default_region: "DE" }), "Ruf an: [REDACTED_PHONE]")
    assert.strictEqual(content({}), fact.data.content)
  })
  it("keeps short fields within their limits", () => {
    const role = "a@b.co ".repeat(9).trim()
    const verdict = gate({ opened: opened({ type: "message.appended", data: { ...message, role } }), settings: defaults, shareId })
    assert.isTrue(verdict._tag === "send" && verdict.fact.type === "message.appended" && verdict.fact.data.role.length === 64)
  })
  it("gives an id one name outside, whatever the settings and the region", () => {
    for (const id of ["conv 1", "555-123-4567", "4111111111111111", "token_1", "a.b", "", "übung", "x".repeat(65), "5551234567", "030-1234567"]) {
      const names = new Set(everySetting().flatMap((settings) => [null, "DE"].map((default_region) => {
        const verdict = gate({ opened: opened(facts["message.appended"], { subject: id }), settings: { ...settings, default_region }, shareId })
        return verdict._tag === "send" ? verdict.subject : ""
      })))
      names.delete("")
      assert.deepStrictEqual([...names], [isShareable(id) ? id : shareId(id)])
    }
    assert.isTrue(isShareable("token_1") && isShareable("i12") && isShareable("030-1234567"))
    assert.isFalse(isShareable("555-123-4567") || isShareable("a.b") || isShareable(""))
  })
  it("says an id that is both conversation and message once", () => {
    const verdict = gate({ opened: opened({ type: "message.deleted", data: { message_id: "a b" } }, { subject: "a b" }), settings: defaults, shareId })
    assert.deepStrictEqual(verdict._tag === "send" && verdict.aliases, [{ shared: shareId("a b"), original: "a b" }])
  })
  it("leaves generated ids alone: no UUID is taken for personal data", () => {
    let state = 7
    const hex = (length: number): string => Array.from({ length }, () => ((state = (state * 1_664_525 + 1_013_904_223) >>> 0) >>> 28).toString(16)).join("")
    for (let i = 0; i < 50_000; i++) {
      const uuid = `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`
      assert.isTrue(isShareable(uuid), uuid)
    }
  })
})
