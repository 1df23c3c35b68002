import { Clock, Duration, Effect } from "effect"
import { refusalOfToolDays, refusalOfToolName, type Tools } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { grantTool, revokeTool } from "../nats/toolAccess.ts"
import { opaqueId } from "../security/opaqueId.ts"
import type { Base } from "./Base.ts"
import { signerNow } from "./signingKey.ts"

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const unavailable = failed(503, "try-again", "The hub does not answer right now; try again in a moment.")

/** Read-only access for tools, one tenant each. */
export const hostedTools = (base: Base): Tools["Service"] => {
  const known = Effect.fnUntraced(function*(tenant: string, name: string) {
    const wrong = refusalOfToolName(name)
    if (wrong !== undefined) return yield* wrong
    const record = base.tenants.peek(tenant)
    return record ?? (yield* failed(404, "unknown-tenant", `There is no tenant ${tenant}; \`maestra hosted peers\` lists them.`))
  })
  const logOf = (tenant: string) => base.partitions.of(tenant).log.name
  return {
    grant: Effect.fnUntraced(function*(tenant, name, days) {
      const record = yield* known(tenant, name)
      const wrong = refusalOfToolDays(days)
      if (wrong !== undefined) return yield* wrong
      const expiresAt = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.days(days))
      const access = yield* grantTool(base.service, signerNow(base.signerRecord, base.deployment.signer)(), { tenant, name, log: logOf(tenant), expiresAt }).pipe(Effect.mapError(() => unavailable))
      yield* base.audit.record({ type: "tool.granted", tenant, data: { tool_id: opaqueId("tool", tenant, name), expires_at: isoTime(expiresAt) } })
      return {
        name, tenant,
        servers: base.service.server.split(","),
        creds: access.creds,
        inbox_prefix: access.inboxPrefix,
        subject: access.subject,
        consumer: access.consumer,
        expires_at: isoTime(expiresAt),
        data_keys: record.data_keys.map(({ key, kid }) => ({ kid, kty: "oct" as const, k: key }))
      }
    }),
    revoke: Effect.fnUntraced(function*(tenant, name) {
      yield* known(tenant, name)
      const had = yield* revokeTool(base.service, { tenant, name, log: logOf(tenant) }).pipe(Effect.mapError(() => unavailable))
      if (!had) return yield* failed(404, "unknown-tool", `No tool of the name ${name} has access to ${tenant}.`)
      yield* base.audit.record({ type: "tool.revoked", tenant, data: { tool_id: opaqueId("tool", tenant, name) } })
    })
  }
}
