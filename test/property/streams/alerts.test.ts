// Goal: an alert is raised once and resolved once, whatever the figures do; a silence hushes and hides nothing.
// Method: random figures over time against the definition of "wrong"; the settings' text by examples; the run books by their headings.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { type AlertKind, alertKinds, alertRules, type Thresholds, thresholdsOf } from "../../../streams/alertRules.ts"
import { type Alert, changeOf, clearFor, type Fact, type Judged, listed, next, noAlerts, silence, toldOf } from "../../../streams/alerts.ts"

const thresholds = thresholdsOf("") as Thresholds
const bad: Readonly<Record<AlertKind, number>> = { sync_lag: 301, queue_depth: 1001, success_rate: 0.89, commit_quarantined: 1, peer_stopped: 1, clock_skew: 31, disk_low: 1 }
const good: Readonly<Record<AlertKind, number>> = { sync_lag: 300, queue_depth: 1000, success_rate: 0.9, commit_quarantined: 0, peer_stopped: 0, clock_skew: 30, disk_low: 2 ** 31 }
const fact = (kind: AlertKind, value: number, subject = "peer_0123456789abcdef"): Fact => ({ kind, tenant: null, subject, value })
const tick = 5000
/** What nobody hushed. */
const toldBy = ({ changed }: Pick<Judged, "changed">) => changed.filter(({ silenced_until }) => silenced_until === null)
const clearTicks = Math.ceil(Duration.toMillis(clearFor) / tick)

describe("alerts", () => {
  it.prop("are raised once and resolved once, in turn, and each raised one was wrong", [Schema.Array(Schema.Array(Schema.Literals(alertKinds)))], ([moments]) => {
    let state = noAlerts
    const told: Array<Alert> = []
    const firing = new Set<string>()
    moments.forEach((kinds, i) => {
      const wrong = new Set<string>(kinds)
      const facts = alertKinds.map((kind) => fact(kind, wrong.has(kind) ? bad[kind] : good[kind]))
      const judged = next(state, facts, { now: i * tick, thresholds })
      state = judged.state
      for (const alert of toldBy(judged)) {
        if (alert.status === "firing") assert.isTrue(wrong.has(alert.kind) && !firing.has(alert.kind))
        else assert.isTrue(firing.has(alert.kind))
        if (alert.status === "firing") firing.add(alert.kind)
        else firing.delete(alert.kind)
        told.push(alert)
      }
      for (const kind of wrong) assert.isTrue(firing.has(kind))
    })
    for (let i = 0; i <= clearTicks; i++) {
      const judged = next(state, [], { now: (moments.length + i) * tick, thresholds })
      state = judged.state
      told.push(...toldBy(judged))
    }
    assert.strictEqual(told.filter(({ status }) => status === "firing").length, told.filter(({ status }) => status === "resolved").length)
    assert.isTrue(listed(state).every(({ status }) => status === "resolved"))
  })

  it("of every kind begin just beyond their threshold, and say what to do", () => {
    for (const kind of alertKinds) {
      assert.strictEqual(toldBy(next(noAlerts, [fact(kind, good[kind])], { now: 0, thresholds })).length, 0, kind)
      const [alert] = toldBy(next(noAlerts, [fact(kind, bad[kind])], { now: 0, thresholds }))
      assert.deepStrictEqual([alert?.kind, alert?.status, alert?.severity], [kind, "firing", alertRules[kind].severity])
      assert.isAtLeast(alert?.todo.length ?? 0, 40)
    }
    assert.isAtLeast(alertKinds.length, 7)
  })

  it("do not ring and ring where a figure stands at its threshold", () => {
    let state = noAlerts
    let told = 0
    for (let i = 0; i < 100; i++) {
      const judged = next(state, [fact("queue_depth", i % 2 === 0 ? 1001 : 999)], { now: i * tick, thresholds })
      state = judged.state
      told += toldBy(judged).length
    }
    assert.strictEqual(told, 1)
  })

  it("under a silence are listed, and nobody is told", () => {
    const hushed = silence(noAlerts, { kind: "queue_depth", subject: null, until: "1970-01-01T01:00:00.000Z" }, 0)
    const judged = next(hushed, [fact("queue_depth", 2000), fact("sync_lag", 400)], { now: 1000, thresholds })
    assert.deepStrictEqual(toldBy(judged).map(({ kind }) => kind), ["sync_lag"])
    assert.deepStrictEqual(listed(judged.state).map(({ kind, silenced_until }) => [kind, silenced_until === null]), [["queue_depth", false], ["sync_lag", true]])
    assert.strictEqual(silence(judged.state, { kind: "queue_depth", subject: null, until: "1970-01-01T00:00:00.000Z" }, 1000).silences.length, 0)
    assert.strictEqual(next(judged.state, [], { now: 3_700_000, thresholds }).state.silences.length, 0)
  })

  it("wait to be told until they were, and not a moment longer", () => {
    const first = next(noAlerts, [fact("queue_depth", 2000)], { now: 0, thresholds })
    const second = next(first.state, [fact("queue_depth", 2000), fact("sync_lag", 400)], { now: tick, thresholds })
    assert.deepStrictEqual([second.changed.map(({ kind }) => kind), second.state.untold?.map(({ kind }) => kind)], [["sync_lag"], ["queue_depth", "sync_lag"]])
    const told = toldOf(second.state, new Set(first.changed.map(changeOf)))
    assert.deepStrictEqual(told.untold?.map(({ kind }) => kind), ["sync_lag"])
    assert.notProperty(toldOf(told, new Set(second.changed.map(changeOf))), "untold")
    assert.deepStrictEqual(silence(told, { kind: null, subject: null, until: "1970-01-01T01:00:00.000Z" }, tick).untold, told.untold)
  })

  it("stay few when everything is wrong", () => {
    const facts = Array.from({ length: 5000 }, (_, i) => fact("sync_lag", 400, `peer_${i}`))
    const { changed, state } = next(noAlerts, facts, { now: 0, thresholds })
    assert.deepStrictEqual([state.alerts.length, changed.length], [1000, 1000])
  })
})

describe("the thresholds setting", () => {
  it.each([["", 300, 1000], ["sync_lag=60", 60, 1000], [" queue_depth = 5 ,", 300, 1000], ["sync_lag=off,queue_depth=5", undefined, 5]])("%s", (text, lag, depth) => {
    const read = thresholdsOf(text)
    if (typeof read === "string") assert.match(read, /there is no alert/)
    else assert.deepStrictEqual([read.sync_lag, read.queue_depth], [lag, depth])
  })
  it.each(["sync_lag", "sync_lag=", "sync_lag=-1", "sync_lag=x", "nothing=1", "toString=1"])("refuses %s", (text) => assert.isString(thresholdsOf(text)))
})
