import { Clock, Duration, Effect } from "effect"
import type { Tools } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { grantTool, revokeTool } from "../nats/toolAccess.ts"
import { opaqueId } from "../security/opaqueId.ts"
import type { Base } from "./Base.ts"

/** Names of tools: parts of a consumer's name, in which `-` divides. */
const namePattern = /^[A-Za-z0-9_]{1,32}$/
/** A grant is renewed by granting again; one that is forgotten ends by itself. */
const daysMax = 365

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const unavailable = failed(503, "try-again", "The hub does not answer right now; try again in a moment.")

/** Read-only access for tools, one tenant each. */
export const hostedTools = (base: Base): Tools["Service"] => {
  const known = Effect.fnUntraced(function*(tenant: string, name: string) {
    if (!namePattern.test(name)) return yield* failed(400, "tool-name", "A tool's name has 1 to 32 letters, digits and underscores.")
    const record = base.tenants.peek(tenant)
    return record ?? (yield* failed(404, "unknown-tenant", `There is no tenant ${tenant}; \`maestra hosted peers\` lists them.`))
  })
  const logOf = (tenant: string) => base.partitions.of(tenant).log.name
  return {
    grant: Effect.fnUntraced(function*(tenant, name, days) {
      const record = yield* known(tenant, name)
      if (!(days > 0 && days <= daysMax)) return yield* failed(400, "tool-days", `A grant lasts more than 0 and at most ${daysMax} days.`)
      const expiresAt = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.days(days))
      const access = yield* grantTool(base.service, base.deployment.signer, { tenant, name, log: logOf(tenant), expiresAt }).pipe(Effect.mapError(() => unavailable))
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
