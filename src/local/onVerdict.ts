import type { Verdict, VerdictName } from "../../streams/Verdict.ts"

/** What the relay does next. One row per verdict; docs/PROTOCOL.md 6.2 has the same table in words. */
export type Action =
  /** Durable over there: move the cursor. */
  | { readonly _tag: "advance"; readonly logSeq: number }
  /** Not now: the same commit again, after the usual pauses. */
  | { readonly _tag: "retry" }
  | { readonly _tag: "wait"; readonly millis: number }
  /** The registration ended: renew it over HTTP, then the same commit again. */
  | { readonly _tag: "renew" }
  /** Settings we have not seen forbid this: read the mirror up to there and gate again. */
  | { readonly _tag: "regate"; readonly settingsSeq: number }
  /** The chain over there is not where we believed: compare heads. */
  | { readonly _tag: "reconcile"; readonly head: string | null }
  /** One event can never be accepted: keep it, name it, go on with the others. */
  | { readonly _tag: "setAside"; readonly eventId: string; readonly why: string }
  /** A person must decide. Everything is kept. `revoked`: this machine was shut out over there. */
  | { readonly _tag: "stop"; readonly needs: string; readonly revoked?: true }

/** What a machine says that was shut out, however it heard of it. */
export const revokedNeeds = "this machine was revoked on the hosted side; your conversations stay here. It cannot join again as it is: `maestra export` them, start with a new data directory (MAESTRA_DATA_DIR), pair that with a new code, and `maestra import` them"

type Table = { readonly [Name in VerdictName]: (verdict: Extract<Verdict, { verdict: Name }>) => Action }

const table: Table = {
  committed: ({ log_seq }) => ({ _tag: "advance", logSeq: log_seq }),
  busy: () => ({ _tag: "retry" }),
  rate_limited: ({ retry_after_ms }) => ({ _tag: "wait", millis: retry_after_ms }),
  expired: () => ({ _tag: "renew" }),
  withheld: ({ settings_seq }) => ({ _tag: "regate", settingsSeq: settings_seq }),
  chain_mismatch: ({ head }) => ({ _tag: "reconcile", head }),
  revoked: () => ({ _tag: "stop", revoked: true, needs: revokedNeeds }),
  unknown_peer: () => ({ _tag: "stop", needs: "the hosted side does not know this machine; pair it again with `maestra local pair CODE`" }),
  bad_signature: () => ({ _tag: "stop", needs: "the hosted side does not accept this machine's key. If keys were restored or copied, put back those it was paired with and `maestra local resume`; otherwise have it revoked, and pair a new data directory (MAESTRA_DATA_DIR)" }),
  invalid: ({ event_id, why }) =>
    event_id === ""
      ? { _tag: "stop", needs: `the hosted side refuses a commit of this machine: ${why}. \`maestra resync\` compares both sides again; nothing is lost` }
      : { _tag: "setAside", eventId: event_id, why }
}

export const onVerdict = (verdict: Verdict): Action => (table[verdict.verdict] as (verdict: Verdict) => Action)(verdict)
