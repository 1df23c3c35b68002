// Goal: bytes written by any released version stay readable, and today's writer writes what it wrote before.
// Method: one committed file per type and version, held byte for byte; then read back by today's decoder.
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { dataschemaOf, decodeFact, definitions, type EventType, type Fact, isEventType } from "../../streams/catalog.ts"
import { decode, encode, type Envelope, interpret, plain } from "../../streams/Envelope.ts"
import { telemetryRecorded } from "../../streams/events/telemetry.ts"
import * as golden from "./golden.ts"
import { samples, source, telemetry, time } from "./samples.ts"

const types = Object.keys(definitions).filter(isEventType)
const versions = types.flatMap((type) => samples[type].map((sample) => ({ type, ...sample, file: `events/${type}.v${sample.version}.json` })))

const about = (subject: string) => ({
  id: "019a0000-0000-7000-8000-000000000001",
  source,
  time,
  subject,
  lamport: 42,
  surface: "web",
  sessionid: "sess_1",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
})

/** The envelope as that version's writer stored it. Only the newest version has a writer today. */
const stored = (type: EventType, version: number, subject: string, data: unknown): Envelope => ({
  ...plain({ type, data } as Fact, about(subject)),
  dataschema: `maestra:${type}:${version}`
})
const open = (text: string) =>
  Result.flatMap(decode(Buffer.from(text)), (envelope) => interpret(envelope, envelope.data))

describe("golden events", () => {
  it("cover every type and every version up to the newest", () => {
    assert.isAtLeast(types.length, 15)
    for (const type of types) {
      const expected = Array.from({ length: definitions[type].version }, (_, index) => index + 1)
      assert.deepStrictEqual(samples[type].map((sample) => sample.version), expected, type)
    }
    const expected = [...versions.map(({ file }) => file.slice("events/".length)), "telemetry.v1.json"].toSorted()
    assert.deepStrictEqual(golden.filesIn("events"), expected)
  })

  it.each(versions)("$type v$version is the same bytes", ({ type, version, subject, data, file }) => {
    golden.matches(file, Buffer.from(encode(stored(type, version, subject, data))).toString())
  })

  it.each(versions)("$type v$version is read by today's decoder", ({ type, subject, data, today, file }) => {
    const opened = Result.getOrThrow(open(golden.read(file)))
    assert.deepStrictEqual(opened.fact, { type, data: today ?? data } as Fact)
    assert.strictEqual(opened.envelope.subject, subject)
    assert.strictEqual(opened.envelope.lamport, 42)
  })

  it.each(types)("%s is written in its newest version", (type) => {
    const { version, subject, data } = samples[type].at(-1)!
    assert.strictEqual(plain({ type, data } as Fact, about(subject)).dataschema, dataschemaOf(type))
    assert.strictEqual(dataschemaOf(type), `maestra:${type}:${version}`)
  })

  it("telemetry v1 is the same bytes, read by today's decoder", () => {
    golden.matches("events/telemetry.v1.json", JSON.stringify(telemetry))
    const read = telemetryRecorded.decode(1, JSON.parse(golden.read("events/telemetry.v1.json")))
    assert.deepStrictEqual(Result.getOrThrow(read), telemetry)
  })
})

describe("today's decoder", () => {
  const edited = samples["message.edited"][0]!
  const today = { ...stored("message.edited", 1, edited.subject, edited.data), data: edited.data }
  const read = (envelope: unknown) => open(JSON.stringify(envelope))

  it("ignores fields a newer writer added, and keeps what it was given", () => {
    const later = { ...today, colour: "red", data: { ...today.data, mood: "calm" } }
    const opened = Result.getOrThrow(read(later))
    assert.deepStrictEqual(opened.fact, Result.getOrThrow(read(today)).fact)
    assert.deepStrictEqual(opened.envelope.data, later.data)
  })

  it("stops at a version from the future", () => {
    const refused = read({ ...today, dataschema: "maestra:message.edited:2", data: { text: "another shape" } })
    assert.deepInclude(Result.isFailure(refused) ? refused.failure : {}, { _tag: "EventFromTheFuture", type: "message.edited", stored: 2, newest: 1 })
  })

  it("stops at a type from the future", () => {
    const refused = read({ ...today, type: "message.pinned", dataschema: "maestra:message.pinned:1" })
    assert.deepInclude(Result.isFailure(refused) ? refused.failure : {}, { _tag: "EventFromTheFuture", type: "message.pinned", newest: 0 })
  })

  it("names the malformed, and why", () => {
    const { role: _, ...data } = today.data
    const cases: ReadonlyArray<readonly [envelope: unknown, why: string]> = [
      [{ ...today, data }, "role"],
      [{ ...today, data: { ...today.data, content: 7 } }, "content"],
      [{ ...today, dataschema: "maestra:message.deleted:1" }, "message.deleted"],
      [{ ...today, dataschema: "message.edited" }, "dataschema"],
      [{ ...today, time: "2026-11-22 10:00" }, "time"],
      [{ ...today, lamport: 0 }, "lamport"],
      [{ ...today, source: "somebody" }, "source"]
    ]
    for (const [envelope, why] of cases) {
      const refused = read(envelope)
      assert.isTrue(Result.isFailure(refused), why)
      if (!Result.isFailure(refused)) continue
      assert.strictEqual(refused.failure._tag, "EventMalformed")
      assert.include(JSON.stringify(refused.failure), why)
    }
  })

  it("holds one shape of a revocation, whichever version was stored", () => {
    const [v1, v2] = samples["peer.revoked"]
    const first = Result.getOrThrow(decodeFact("peer.revoked", 1, v1!.data))
    const again = Result.getOrThrow(decodeFact("peer.revoked", 2, first.data))
    assert.deepStrictEqual(first, again)
    assert.deepStrictEqual(Result.getOrThrow(decodeFact("peer.revoked", 2, v2!.data)).data, v2!.data)
  })
})
