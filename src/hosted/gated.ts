import { Result } from "effect"
import { type Draft, WriteInvalid } from "../../streams/Backend.ts"
import { type Opened, plain } from "../../streams/Envelope.ts"
import type { Settings } from "../../streams/events/settings.ts"
import { gate, isShareable } from "../privacy/gate.ts"
import type { DataKey } from "../security/sealing.ts"
import { sharedId } from "../security/sharedId.ts"

/** A gate looks at what is written, not at who or when: this stands for both until the write is stamped. */
const unstamped = { id: "", source: "", time: "", lamport: 0 }

/** What a caller-chosen id is called on the hosted side. `key`: the tenant's first data key, so that a later one renames nothing. */
export const nameOnHosted = (key: DataKey | undefined, id: string): string => key === undefined || isShareable(id) ? id : sharedId(key, id)

/**
 * What somebody writes through the hosted backend, in the form that may be stored there: for these writes the hosted
 * backend is the author, so the gate of the tenant's settings is here. All or none.
 */
export const gated = (drafts: ReadonlyArray<Draft>, settings: Settings, key: DataKey): Result.Result<ReadonlyArray<Draft>, WriteInvalid> => {
  const out: Array<Draft> = []
  for (const draft of drafts) {
    const opened: Opened = { envelope: plain(draft.fact, { ...unstamped, ...draft, id: "" }), fact: draft.fact }
    const verdict = gate({ opened, settings, shareId: (id) => sharedId(key, id) })
    if (verdict._tag !== "send") {
      return Result.fail(new WriteInvalid({ why: `the privacy settings keep this from the hosted side: ${verdict.why}`, hint: "Write it on a local backend, or change the settings there." }))
    }
    out.push({ ...draft, fact: verdict.fact, subject: verdict.subject, surface: verdict.surface, ...(verdict.sessionid === undefined ? {} : { sessionid: verdict.sessionid }) })
  }
  return Result.succeed(out)
}
