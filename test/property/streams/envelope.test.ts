// Goal: what was written reads back the same, and bytes nobody can read are named, never thrown or dropped.
// Method: roundtrips of arbitrary facts of every type; mutations of good bytes; arbitrary bytes.
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { definitions, type EventType, type Fact, isEventType } from "../../../streams/catalog.ts"
import { decode, encode, Envelope, interpret, plain, stampOf } from "../../../streams/Envelope.ts"
import * as Stamp from "../../../streams/Stamp.ts"

const types = Object.keys(definitions).filter(isEventType)
/** Data of a type as anyone may write it. The reserved snapshot holds any JSON object. */
const dataOf = (type: EventType): Schema.Codec<unknown, unknown> =>
  type === "conversation.snapshot" ? Schema.Record(Schema.String, Schema.Json) : definitions[type].schema as Schema.Codec<unknown, unknown>

const { id, source, time, subject, lamport, surface, sessionid, traceparent, via } = Envelope.fields
const About = Schema.Struct({ id, source, time, subject, lamport, surface, sessionid, traceparent, via })

/** JSON has no negative zero: what comes back is zero. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const bytesOf = (text: string) => new TextEncoder().encode(text)
const readBack = (bytes: Uint8Array) => {
  const envelope = Result.getOrThrow(decode(bytes))
  return Result.getOrThrow(interpret(envelope, envelope.data))
}

describe("an event", () => {
  it("has a type under test", () => assert.isAtLeast(types.length, 15))

  for (const type of types) {
    it.prop(`${type} reads back as it was written`, [About, dataOf(type)], ([about, data]) => {
      const written = plain({ type, data: asJson(data) } as Fact, about)
      const bytes = encode(written)
      const { envelope, fact } = readBack(bytes)
      assert.deepStrictEqual(envelope, written)
      assert.strictEqual(fact.type, type)
      assert.deepStrictEqual(fact.data, written.data)
      assert.deepStrictEqual(encode(envelope), bytes, "the same event has one form in bytes")
    })
  }

  it.prop("carries a stamp that reads back", [About], ([about]) => {
    const { envelope } = readBack(encode(plain({ type: "conversation.created", data: {} }, about)))
    assert.strictEqual(Stamp.compare(stampOf(envelope), stampOf(about)), 0)
  })

  it.prop("is understood without the fields a newer writer added", [About, Schema.String, Schema.Json], ([about, name, value]) => {
    const written = plain({ type: "message.deleted", data: { message_id: "m1" } }, about)
    const later = { ...written, [`x_${name}`]: value, data: { message_id: "m1", [`x_${name}`]: value } }
    const older = readBack(bytesOf(JSON.stringify(later)))
    assert.deepStrictEqual(older.fact, readBack(encode(written)).fact)
    assert.deepStrictEqual({ ...older.envelope, data: written.data }, written)
    assert.deepStrictEqual(older.envelope.data, asJson(later.data), "kept as it came")
  })
})

describe("bytes that are no event", () => {
  it.prop("are named malformed, whatever they are", [Schema.Uint8Array], ([bytes]) => {
    const read = decode(bytes)
    assert.isTrue(Result.isFailure(read))
  })

  it.prop("are named malformed when any required field is missing", [About], ([about]) => {
    const written = plain({ type: "conversation.created", data: {} }, about)
    for (const field of ["specversion", "id", "type", "dataschema", "source", "time", "subject", "lamport", "surface", "datacontenttype"]) {
      const { [field]: _, ...rest } = { ...written } as Record<string, unknown>
      const read = decode(bytesOf(JSON.stringify(rest)))
      assert.isTrue(Result.isFailure(read), `without ${field}`)
    }
  })

  it.prop("are never read as another type than they claim", [About, Schema.Literals(types), Schema.Literals(types)], ([about, claimed, meant]) => {
    const written = plain({ type: "conversation.created", data: {} }, about)
    const forged = { ...written, type: claimed, dataschema: `maestra:${meant}:1` }
    const read = interpret(forged, {})
    if (claimed === meant) return
    assert.isTrue(Result.isFailure(read) && read.failure._tag === "EventMalformed")
  })

  it.prop("a type or version nobody knows yet is from the future", [About, Schema.Literals(types)], ([about, type]) => {
    const written = plain({ type: "conversation.created", data: {} }, about)
    for (const later of [
      { ...written, type, dataschema: `maestra:${type}:${definitions[type].version + 1}` },
      { ...written, type: "message.sung", dataschema: "maestra:message.sung:1" },
      { ...written, type: "constructor", dataschema: "maestra:constructor:1" }
    ]) {
      const envelope = Result.getOrThrow(decode(encode(later)))
      const read = interpret(envelope, envelope.data)
      assert.isTrue(Result.isFailure(read) && read.failure._tag === "EventFromTheFuture")
    }
  })
})
