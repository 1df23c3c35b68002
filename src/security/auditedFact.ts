import { Result } from "effect"
import type { AuditFact } from "../../streams/Audit.ts"
import type { Fact } from "../../streams/catalog.ts"
import { defaults } from "../../streams/events/settings.ts"
import { publicKey } from "./keys.ts"

const fieldsKnown = Object.keys(defaults)

/** What of an event belongs into the audit, whoever wrote it; most do not. Names of settings, never their values. */
export const auditedFact = (fact: Fact): AuditFact | undefined => {
  switch (fact.type) {
    case "settings.changed":
      return { type: fact.type, data: { fields: fieldsKnown.filter((field) => field in fact.data) } }
    case "peer.confirmed":
      return { type: fact.type, data: { peer_id: fact.data.peer_id } }
    case "key.rotated": {
      const key = publicKey(fact.data.public_key)
      return { type: fact.type, data: { of: "backend", key_id: Result.isSuccess(key) ? key.success.id : "" } }
    }
    default:
      return undefined
  }
}
