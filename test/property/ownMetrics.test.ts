// Goal: the soak reads the backends' own figures as Prometheus would.
// Method: a scrape written by hand, and by the product's own metrics.
import { assert, describe, it } from "@effect/vitest"
import { isAsPromised, syncSeen } from "../soak/measure/ownMetrics.ts"

const scrape = (good: number, bad: number, late: number) => `# TYPE maestra_sync_attempts_total counter
maestra_sync_attempts_total{verdict="committed"} ${good}
maestra_sync_attempts_total{verdict="timed_out"} ${bad}
maestra_sync_attempts_total{verdict="rate_limited"} 7
maestra_arrival_age_seconds_bucket{le="0.1"} ${100 - late}
maestra_arrival_age_seconds_bucket{le="10"} 100
maestra_arrival_age_seconds_bucket{le="+Inf"} 100
maestra_arrival_age_seconds_count 100
`

describe("the backends' own figures", () => {
  it("add up", () => {
    assert.deepStrictEqual(syncSeen([scrape(99, 1, 10), scrape(100, 0, 10)]), { tries: 200, succeeded_share: 0.995, arrived: 200, in_step_half_s: 0.1, in_step_99_s: 10 })
  })
  it("are as promised, or not", () => {
    assert.deepStrictEqual([scrape(1000, 1, 0), scrape(90, 10, 0), scrape(1000, 0, 60), ""].map((text) => isAsPromised(syncSeen([text]))), [true, false, false, false])
  })
})
