import type { Envelope } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import { fromBase64url } from "../security/digest.ts"
import { type DataKeys, openEnvelope } from "../security/envelopes.ts"
import { type DataKey, dataKey } from "../security/sealing.ts"
import type { Tenants } from "./Tenants.ts"

/** The tenants' data keys, read from their records when first needed. */
export interface Keyring {
  /** Seals a tenant's new events. */
  readonly current: (tenant: string) => DataKey | undefined
  /** Names a tenant's ids: the first one, whichever seals today. */
  readonly first: (tenant: string) => DataKey | undefined
  /** A kid names its tenant, and an event is only opened with its own tenant's keys. */
  readonly within: (tenant: string) => DataKeys
  readonly open: (tenant: string, envelope: Envelope) => OpenResult
  /** The tenant was erased: nothing of its keys stays in this process. */
  readonly forget: (tenant: string) => void
}

export const makeKeyring = (tenants: Tenants): Keyring => {
  const known = new Map<string, DataKey>()
  const find: DataKeys = (kid) => {
    const held = known.get(kid)
    if (held !== undefined) return held
    const stored = tenants.peek(kid.slice(0, kid.indexOf(".")))?.data_keys.find((key) => key.kid === kid)
    if (stored === undefined) return undefined
    const key = dataKey(kid, fromBase64url(stored.key)!)
    known.set(kid, key)
    return key
  }
  const within = (tenant: string): DataKeys => (kid) => kid.startsWith(`${tenant}.`) ? find(kid) : undefined
  const at = (tenant: string, index: number) => {
    const kid = tenants.peek(tenant)?.data_keys.at(index)?.kid
    return kid === undefined ? undefined : find(kid)
  }
  return {
    current: (tenant) => at(tenant, -1),
    first: (tenant) => at(tenant, 0),
    within,
    forget: (tenant) => {
      for (const kid of known.keys()) if (kid.startsWith(`${tenant}.`)) known.delete(kid)
    },
    open: (tenant, envelope) => openEnvelope(envelope, within(tenant))
  }
}
