// Goal: an event written in any version ever released reads as its newest shape.
// Method: a type made up here with three versions, and the real one that has two, over arbitrary old data.
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decodeFact, definitions, isEventType, parseDataschema, dataschemaOf } from "../../../streams/catalog.ts"
import { event } from "../../../streams/EventDefinition.ts"

const V1 = Schema.Struct({ name: Schema.String })
const V2 = Schema.Struct({ title: Schema.String })
const V3 = Schema.Struct({ title: Schema.String, length: Schema.Int })
const three = event("thing.named", V1)
  .evolve(V2, ({ name }) => ({ title: name }))
  .evolve(V3, ({ title }) => ({ title, length: title.length }))

describe("versions", () => {
  it.prop("follow one another to the newest", [Schema.String], ([text]) => {
    const newest = { title: text, length: text.length }
    for (const [stored, data] of [[1, { name: text }], [2, { title: text }], [3, newest]] as const) {
      assert.deepStrictEqual(Result.getOrThrow(three.decode(stored, data)), newest)
    }
    assert.strictEqual(three.version, 3)
  })

  it.prop("outside those written are refused", [Schema.Int], ([stored]) => {
    const read = three.decode(stored, { name: "a", title: "a", length: 1 })
    if (stored >= 1 && stored <= 3) return assert.isTrue(Result.isSuccess(read))
    assert.isTrue(Result.isFailure(read))
    if (Result.isFailure(read)) assert.strictEqual(read.failure._tag, stored > 3 ? "EventFromTheFuture" : "EventMalformed")
  })

  it("of malformed data are named by the version they claim", () => {
    const read = three.decode(2, { name: "of version one" })
    assert.isTrue(Result.isFailure(read) && read.failure._tag === "EventMalformed" && read.failure.stored === 2)
  })

  const Revoked = Schema.Struct({ peer_id: Schema.Literal("peer_0123456789abcdef"), reason: Schema.String })
  it.prop("of a revocation: what the first said in words stays readable", [Revoked], ([old]) => {
    const read = Result.getOrThrow(decodeFact("peer.revoked", 1, old))
    assert.deepStrictEqual(read, { type: "peer.revoked", data: { peer_id: old.peer_id, cause: "requested", note: old.reason } })
    const again = Result.getOrThrow(decodeFact("peer.revoked", 2, read.data))
    assert.deepStrictEqual(again, read)
  })

  it("are named in dataschema, and only there", () => {
    for (const type of Object.keys(definitions).filter(isEventType)) {
      const { version } = definitions[type]
      assert.deepStrictEqual(Result.getOrThrow(parseDataschema(dataschemaOf(type))), { type, version })
    }
    for (const bad of ["", "maestra:message.edited", "maestra:message.edited:0", "maestra:message.edited:01", "maestra:a:1:2", "other:a:1", "maestra:a:1\n"]) {
      assert.isTrue(Result.isFailure(parseDataschema(bad)), bad)
    }
  })
})
