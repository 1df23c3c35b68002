// Goal: an event sealed for the log is the same event to whoever holds the key, and a clear failure to others.
// Method: seal, decode, open; then each way an envelope can be wrong.
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decode, type Envelope, plain } from "../../../streams/Envelope.ts"
import { openData, openEnvelope, sealEnvelope } from "../../../src/security/envelopes.ts"
import { newDataKey, seal } from "../../../src/security/sealing.ts"

const key = newDataKey("t_abcdefghijklmnop.1")
const keys = (kid: string) => kid === key.kid ? key : undefined
const about = {
  id: "01936b2e-7a39-7d51-9b8a-93b6c1f2a001",
  source: `local_sha256_${"a".repeat(64)}`,
  time: "2026-11-22T10:00:00.000Z",
  subject: "c1",
  lamport: 42,
  surface: "web",
  traceparent: "00-x"
}
const message = (content: string): Envelope =>
  plain({ type: "message.appended", data: { message_id: "m1", role: "user", content, timestamp: about.time } }, about)
const sealed = (content: string): Envelope => Result.getOrThrow(decode(sealEnvelope(message(content), key)))

describe("envelopes", () => {
  it.prop("open to the event that was sealed", [Schema.String], ([text]) => {
    const content = text.toWellFormed()
    const envelope = sealed(content)
    assert.strictEqual(envelope.datacontenttype, "application/jose")
    if (content.length > 4) assert.notInclude(JSON.stringify(envelope), content)
    assert.deepStrictEqual({ ...envelope, data: null, datacontenttype: null }, { ...message(content), data: null, datacontenttype: null })
    for (const one of [envelope, message(content)]) {
      assert.deepStrictEqual(Result.getOrThrow(openEnvelope(one, keys)).fact, { type: "message.appended", data: message(content).data } as never)
    }
  })

  it("fail as malformed or without a key, one by one, and never throw", () => {
    const good = sealed("secret words")
    const changed = { ...good, data: `${String(good.data).slice(0, -2)}AA` }
    const read = [
      good,
      { ...good, data: seal(newDataKey("t_abcdefghijklmnop.2"), "{}") },
      changed,
      { ...good, data: { a: 1 } },
      { ...good, data: "x" },
      { ...good, data: seal(key, "secret words, no JSON") },
      { ...good, data: seal(key, `{"message_id":"m1"}`) },
      { ...good, dataschema: "maestra:message.appended:9" },
      good
    ].map((envelope) => openEnvelope(envelope, keys))
    assert.deepStrictEqual(read.map((one) => Result.isSuccess(one) ? "opened" : one.failure._tag), [
      "opened", "KeyMissing", "EventMalformed", "EventMalformed", "EventMalformed", "EventMalformed", "EventMalformed", "EventFromTheFuture", "opened"
    ])
    for (const one of read) if (Result.isFailure(one)) assert.notInclude(JSON.stringify(one.failure), "secret words")
  })

  it("give the data of types this build does not know, for telemetry", () => {
    const ask: Envelope = { ...message("x"), type: "advisor_ask", dataschema: "maestra:telemetry:1", data: { event_id: "e1" } }
    const stored = Result.getOrThrow(decode(sealEnvelope(ask, key)))
    assert.deepStrictEqual(openData(stored, keys), Result.succeed({ event_id: "e1" }))
  })
})
