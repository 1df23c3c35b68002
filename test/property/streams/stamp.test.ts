// Goal: stamps are one total order, the same on every device.
// Method: properties over stamps drawn from few values, so that ties in each field are common.
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { lamportMax } from "../../../streams/limits.ts"
import * as Stamp from "../../../streams/Stamp.ts"

const source = (platform: string, digit: string) => `${platform}_sha256_${digit.repeat(64)}`
const sources = [source("local", "0"), source("local", "f"), source("hosted", "0"), source("ios", "7")] as const
const times = ["2026-11-22T10:00:00.000Z", "2026-11-22T10:00:00.001Z", "2027-01-01T00:00:00.000Z"] as const

/** Few values of each field: the interesting pairs are those that differ in one of them only. */
const AnyStamp = Schema.Struct({
  lamport: Schema.Literals([1, 2, 9, 10, 99, 100, 2 ** 32, lamportMax - 1, lamportMax]),
  time: Schema.Literals(times),
  source: Schema.Literals(sources)
})
const sign = Math.sign
const bytewise = (a: string, b: string) => sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))

describe("the order of stamps", () => {
  it.prop("compares every two, one way round", [AnyStamp, AnyStamp], ([a, b]) => {
    assert.strictEqual(sign(Stamp.compare(a, b)), 0 - sign(Stamp.compare(b, a)))
  })

  it.prop("calls two stamps equal only when all three fields are", [AnyStamp, AnyStamp], ([a, b]) => {
    const same = a.lamport === b.lamport && a.time === b.time && a.source === b.source
    assert.strictEqual(Stamp.compare(a, b) === 0, same)
  })

  it.prop("is transitive", [AnyStamp, AnyStamp, AnyStamp], (three) => {
    const [a, b, c] = three.toSorted(Stamp.compare) as [Stamp.Stamp, Stamp.Stamp, Stamp.Stamp]
    assert.isAtMost(Stamp.compare(a, b), 0)
    assert.isAtMost(Stamp.compare(b, c), 0)
    assert.isAtMost(Stamp.compare(a, c), 0)
  })

  it.prop("lets lamport decide before time, and time before source", [AnyStamp, AnyStamp], ([a, b]) => {
    const expected = sign(a.lamport - b.lamport) || bytewise(a.time, b.time) || bytewise(a.source, b.source)
    assert.strictEqual(sign(Stamp.compare(a, b)), expected)
  })
})

describe("the next stamp", () => {
  const Seen = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: lamportMax - 1 }))

  it.prop("is after everything seen, whatever the wall clock says", [Seen, AnyStamp, Schema.Literals(times)], ([seen, other, time]) => {
    const next = Result.getOrThrow(Stamp.next({ seen, time, source: sources[0] }))
    assert.strictEqual(next.lamport, seen + 1)
    if (other.lamport <= seen) assert.isAbove(Stamp.compare(next, other), 0)
    assert.isTrue(Schema.is(Stamp.Stamp)(next))
  })

  it.prop("rises strictly when a source follows itself", [Schema.Array(Schema.Literals(times)).check(Schema.isMaxLength(20))], ([clock]) => {
    let seen = 0
    let last: Stamp.Stamp | undefined
    for (const time of clock) {
      const next = Result.getOrThrow(Stamp.next({ seen, time, source: sources[1] }))
      if (last !== undefined) assert.isAbove(Stamp.compare(next, last), 0)
      seen = next.lamport
      last = next
    }
  })

  it("refuses to follow the largest lamport", () => {
    for (const seen of [lamportMax, lamportMax + 1, Number.MAX_SAFE_INTEGER]) {
      const refused = Stamp.next({ seen, time: times[0], source: sources[0] })
      assert.isTrue(Result.isFailure(refused))
    }
    assert.isTrue(Result.isSuccess(Stamp.next({ seen: lamportMax - 1, time: times[0], source: sources[0] })))
  })
})
