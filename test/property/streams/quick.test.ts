// Goal: the hand-written readers of every event's envelope and of messages say exactly what their schemas say.
// Method: values the schemas make, and the same with one field replaced by something else: whatever the quick side takes,
// the schema reads the same; and it takes all that is ordinary, or it would not be quick.
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { definitions } from "../../../streams/catalog.ts"
import { Envelope } from "../../../streams/Envelope.ts"
import { idMaxBytes, lamportMax, nameMaxLength, sessionidMaxLength, traceparentMaxLength } from "../../../streams/limits.ts"
import { quickAppended, quickEdited, quickEnvelope } from "../../../streams/quick.ts"

const source = `local_sha256_${"0".repeat(64)}`
const time = "2026-11-22T10:00:00.000Z"
const written = { message_id: "m1", role: "user", content: "buy milk", timestamp: time }
const envelope = {
  specversion: "1.0", id: "0193a5b2-0000-7000-8000-000000000000", type: "message.appended", dataschema: "maestra:message.appended:1",
  source, time, subject: "groceries", lamport: 42, surface: "web", datacontenttype: "application/jose", data: "a..b.c.d"
}

const readers = [
  { name: "envelope", quick: quickEnvelope, schema: Envelope as Schema.Codec<unknown, unknown>, ordinary: [envelope, { ...envelope, sessionid: "s", traceparent: "00-1-2-03", via: source, datacontenttype: "application/json", data: null }] },
  { name: "message.appended", quick: quickAppended, schema: definitions["message.appended"].schema as Schema.Codec<unknown, unknown>, ordinary: [written, { ...written, content: "" }] },
  { name: "message.edited", quick: quickEdited, schema: definitions["message.edited"].schema as Schema.Codec<unknown, unknown>, ordinary: [written, { ...written, base: { lamport: 7, time, source } }] }
]

/** Values around every limit, of every JSON kind, and texts that are not what they seem. */
const strange: ReadonlyArray<unknown> = [
  null, true, 0, -1, 1.5, lamportMax, lamportMax + 1, Number.MAX_SAFE_INTEGER, [], {}, [1], "", " ", "\uD800", "a\uDC00b", "😀", "\u0000", "2.0", "1.0",
  "Z".repeat(nameMaxLength), "Z".repeat(nameMaxLength + 1), "😀".repeat(nameMaxLength / 2), "漢".repeat(idMaxBytes / 3), "漢".repeat(idMaxBytes / 3 + 1),
  "x".repeat(idMaxBytes), "x".repeat(idMaxBytes + 1), "s".repeat(sessionidMaxLength + 1), "t".repeat(traceparentMaxLength + 1),
  time.replace("11", "13"), time.replace("Z", ""), time, source, source.toUpperCase(), envelope.id, envelope.id.replace("-7", "-9"), `${envelope.id}\n`,
  "a.b.c", "a.", "_", "a".repeat(64), "a".repeat(65), `${"a".repeat(32)}.${"a".repeat(31)}`, "application/json", "application/jose",
  { lamport: 1, time, source }, { lamport: 0, time, source }, { lamport: 1, time }, { lamport: 1, time, source, more: 1 }, [{ lamport: 1, time, source }]
]

describe.each(readers)("the quick reader of $name", ({ ordinary, quick, schema }) => {
  const read = Schema.decodeUnknownResult(schema)
  const agrees = (value: unknown) => {
    const taken = quick(value)
    const said = read(value)
    if (taken !== undefined) assert.deepStrictEqual(said, Result.succeed(taken), JSON.stringify(value)?.slice(0, 300))
    return taken !== undefined
  }

  it("takes what is ordinary", () => {
    for (const value of ordinary) assert.isTrue(agrees(value), JSON.stringify(value))
  })

  it.prop("reads what the schema makes as the schema does", [schema], ([value]) => {
    const json: unknown = JSON.parse(JSON.stringify(value))
    agrees(json)
    agrees({ ...json as object, more: 1 })
  })

  it("takes nothing the schema refuses, whichever field is strange or missing", () => {
    let judged = 0
    for (const value of ordinary) {
      for (const field of [...Object.keys(value), "base", "via", "sessionid", "traceparent", "unknown"]) {
        for (const other of strange) {
          agrees({ ...value, [field]: other })
          judged++
        }
        agrees(Object.fromEntries(Object.entries(value).filter(([name]) => name !== field)))
      }
    }
    for (const value of strange) agrees(value)
    assert.isAbove(judged, 500)
  })
})
