// Goal: telemetry leaves as the settings say, without what is private, and always under the same id.
// Method: the pure gate over settings and events with addresses and numbers in every field.
import { assert, describe, it } from "@effect/vitest"
import { telemetryGate } from "../../../src/privacy/telemetryGate.ts"
import { defaults, type Settings } from "../../../streams/events/settings.ts"
import { readTelemetry, type TelemetryEvent } from "../../../streams/telemetry.ts"
import { Result } from "effect"

const mail = "ada@example.org"
const private_: TelemetryEvent = {
  event_id: `open ${mail}`, event_type: `mail to ${mail}`, session_id: mail, timestamp: "2026-11-22T10:00:00Z", source_backend: "local", model: mail,
  metadata: { [mail]: 1, deep: [{ note: `call +41 44 668 18 00 or ${mail}` }], surface: "web" }
}
const plain: TelemetryEvent = { ...private_, event_id: "e1", event_type: "model warning", session_id: "s", model: "m", metadata: { surface: "web", n: 1 } }
const shareId = (id: string) => `h_${id.length}`
const gate = (event: TelemetryEvent, settings: Partial<Settings> = {}) => telemetryGate({ event, settings: { ...defaults, ...settings }, shareId })

describe("the telemetry gate", () => {
  it("hides what is private in every field, and leaves the rest as it is", () => {
    const verdict = gate(private_)
    if (verdict._tag !== "send") return assert.fail(verdict._tag)
    assert.notInclude(JSON.stringify(verdict.event), mail)
    assert.notInclude(JSON.stringify(verdict.event), "668")
    assert.isTrue(Result.isSuccess(readTelemetry(verdict.event)), "still an event")
    assert.deepStrictEqual(gate(plain), { _tag: "send", event: plain, changed: false })
  })

  it("keeps the id the same whatever else is redacted, so that a repeat is known", () => {
    const ids = [{}, { redact_pii: false }, { retention_days: 5 }].map((settings) => {
      const verdict = gate(private_, settings)
      return verdict._tag === "send" ? verdict.event.event_id : verdict._tag
    })
    assert.deepStrictEqual(ids, Array.from({ length: 3 }, () => shareId(private_.event_id)))
  })

  it.each([
    ["everything is off", { sync_enabled: false }, { _tag: "stop", why: "sync_enabled" }],
    ["telemetry is off", { sync_telemetry: false }, { _tag: "withhold", why: "sync_telemetry" }],
    ["the surface is not allowed", { allowed_surfaces: ["ios"] }, { _tag: "withhold", why: "surface" }]
  ] as const)("lets nothing out where %s", (_, settings, verdict) => {
    assert.deepStrictEqual(gate(plain, settings), verdict)
  })
})
