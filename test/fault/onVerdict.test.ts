// Goal: for each verdict the relay does the one thing docs/PROTOCOL.md 6.2 says; nothing is dropped by any of them.
// Method: the table again, as data; a verdict without a row does not compile.
import { assert, describe, it } from "@effect/vitest"
import { type Action, onVerdict } from "../../src/local/onVerdict.ts"
import type { Verdict, VerdictName } from "../../streams/Verdict.ts"

const log = { log_id: "log", log_epoch: 1 }

type Table = { readonly [Name in VerdictName]: readonly [verdict: Extract<Verdict, { readonly verdict: Name }>, action: Action["_tag"], carries?: unknown] }

const table: Table = {
  committed: [{ verdict: "committed", ...log, log_seq: 7 }, "advance", { logSeq: 7 }],
  busy: [{ verdict: "busy", ...log }, "retry", {}],
  rate_limited: [{ verdict: "rate_limited", ...log, retry_after_ms: 1500 }, "wait", { millis: 1500 }],
  expired: [{ verdict: "expired", ...log }, "renew", {}],
  withheld: [{ verdict: "withheld", ...log, settings_seq: 3 }, "regate", { settingsSeq: 3 }],
  chain_mismatch: [{ verdict: "chain_mismatch", ...log, head: "{}" }, "reconcile", { head: "{}" }],
  revoked: [{ verdict: "revoked", ...log }, "stop"],
  unknown_peer: [{ verdict: "unknown_peer", ...log }, "stop"],
  bad_signature: [{ verdict: "bad_signature", ...log }, "stop"],
  invalid: [{ verdict: "invalid", ...log, event_id: "e1", why: "too long" }, "setAside", { eventId: "e1", why: "too long" }]
}

describe("a verdict", () => {
  it.each(Object.entries(table))("%s asks for its action", (_, [verdict, action, carries]) => {
    const { _tag, ...rest } = onVerdict(verdict)
    assert.strictEqual(_tag, action)
    if (carries !== undefined) assert.deepStrictEqual(rest, carries)
  })

  it("that stops says to a person why, and what to do now", () => {
    for (const name of ["revoked", "unknown_peer", "bad_signature"] as const) {
      const action = onVerdict(table[name][0])
      assert.match(action._tag === "stop" ? action.needs : "", /hosted side.*(pair|maestra doctor)/, name)
    }
  })

  it("about a whole commit, and no event, stops: nothing is set aside that was not named", () => {
    const action = onVerdict({ verdict: "invalid", ...log, event_id: "", why: "a range" })
    assert.strictEqual(action._tag, "stop")
    assert.include(action._tag === "stop" ? action.needs : "", "a range")
  })
})
