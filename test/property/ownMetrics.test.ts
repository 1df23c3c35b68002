// Goal: the soak reads the backends' own figures as Prometheus would.
// Method: a scrape written by hand, and by the product's own metrics.
import { assert, describe, it } from "@effect/vitest"
import { arePeersAsPromised, counted, isAsPromised, peersSeen, syncSeen } from "../soak/measure/ownMetrics.ts"

const scrape = (good: number, bad: number, late: number) => `# TYPE maestra_syncs_total counter
maestra_syncs_total{outcome="success"} ${good}
maestra_syncs_total{outcome="failure"} ${bad}
maestra_sync_attempts_total{verdict="timed_out"} 77
maestra_arrival_age_seconds_bucket{le="0.1"} ${100 - late}
maestra_arrival_age_seconds_bucket{le="10"} 100
maestra_arrival_age_seconds_bucket{le="+Inf"} 100
maestra_arrival_age_seconds_count 100
`

const nothing = counted([])

describe("the backends' own figures", () => {
  it("add up", () => {
    assert.deepStrictEqual(syncSeen(nothing, counted([scrape(99, 1, 10), scrape(100, 0, 10)])), { syncs: 200, succeeded_share: 0.995, arrived: 200, in_step_half_s: 0.1, in_step_99_s: 10 })
  })
  it("do not count what was before", () => {
    assert.deepStrictEqual(syncSeen(counted([scrape(50, 50, 90)]), counted([scrape(149, 51, 90), scrape(0, 0, 40)])), { syncs: 100, succeeded_share: 0.99, arrived: 100, in_step_half_s: 0.1, in_step_99_s: 10 })
  })
  it("are as promised, or not", () => {
    assert.deepStrictEqual([scrape(1000, 1, 0), scrape(90, 10, 0), scrape(1000, 0, 60), ""].map((text) => isAsPromised(syncSeen(nothing, counted([text])))), [true, false, false, false])
  })
  it("of each peer are as promised, or not", () => {
    const told = (sync_success_rate: number, sync_lag_seconds: number) => ({ peer: "p", sync_success_rate, sync_lag_seconds })
    assert.deepStrictEqual(peersSeen([told(1, 0), told(0.9, 7), told(1, 1)]), [{ peer: "p", looks: 3, success_rate_mean: 2.9 / 3, success_rate_lowest: 0.9, lag_half_s: 1, lag_99_s: 7 }])
    assert.deepStrictEqual([[told(1, 0)], [told(0.99, 0)], [told(1, 5)], []].map((rows) => arePeersAsPromised(peersSeen(rows))), [true, false, false, false])
  })
})
