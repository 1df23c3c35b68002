import { Effect, Stream } from "effect"
import type { Audit, AuditFact } from "../../streams/Audit.ts"
import { opaqueId } from "../security/opaqueId.ts"
import type { Tenants } from "./Tenants.ts"

/** Audit, for ever, whoever tried on the hub what it may not: machines and tools, by the nkeys they came with. */
export const auditViolations = (context: { readonly audit: Pick<Audit["Service"], "count">; readonly tenants: Pick<Tenants, "all"> }, nkeys: Stream.Stream<string>): Effect.Effect<void> =>
  Stream.runForEach(nkeys, (nkey) => context.audit.count({ type: "request.refused", ...whoHas(context.tenants, nkey), data: { reason: "hub-permission" } }))

const whoHas = (tenants: Pick<Tenants, "all">, nkey: string): Pick<AuditFact, "tenant" | "by"> => {
  for (const { devices, gone, tenant, tools = [] } of tenants.all()) {
    const peer = [...devices, ...gone].find(({ transport_keys }) => transport_keys.includes(nkey))
    if (peer !== undefined) return { tenant, by: peer.peer_id }
    const tool = tools.find((one) => one.nkey === nkey)
    if (tool !== undefined) return { tenant, by: opaqueId("tool", tenant, tool.name) }
  }
  return { by: "nobody" }
}
