import { Clock, Duration, Effect, Result } from "effect"
import { refusalOfToolDays, refusalOfToolName, type Tools } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import { grantTool, revokeTool } from "../nats/toolAccess.ts"
import { opaqueId } from "../security/opaqueId.ts"
import type { Base } from "./Base.ts"
import { signerNow } from "./signingKey.ts"
import type { TenantRecord, Tool } from "./TenantRecord.ts"

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const unavailable = failed(503, "try-again", "The hub does not answer right now; try again in a moment.")

/** The record in which these tools are revoked. Those whose tokens have ended by themselves are left out. */
export const withoutTools = (record: TenantRecord, which: (tool: Tool) => boolean, at: string): TenantRecord => {
  const { tools = [], ...rest } = record
  const left = tools.flatMap((tool) => tool.ends_at <= at ? [] : [tool.revoked_at === undefined && which(tool) ? { ...tool, revoked_at: at } : tool])
  return left.length === tools.length && left.every((tool, i) => tool === tools[i]) ? record : { ...rest, tools: left }
}

/**
 * Read-only access for tools, one tenant each: granted by the operator for that person's data, and by no device. So a device
 * that is revoked takes none of them along; what that device granted itself is on its own machine, and ends there.
 */
export const hostedTools = (base: Base): Tools["Service"] => {
  const known = Effect.fnUntraced(function*(tenant: string, name: string) {
    const wrong = refusalOfToolName(name)
    if (wrong !== undefined) return yield* wrong
    const record = base.tenants.peek(tenant)
    return record ?? (yield* failed(404, "unknown-tenant", `There is no tenant ${tenant}; \`maestra hosted peers\` lists them.`))
  })
  const logOf = (tenant: string) => base.partitions.of(tenant).log.name
  /** Kept, so that whoever has the admin role cuts off what is revoked in it, now or as it hears of it. */
  const change = Effect.fnUntraced(function*(tenant: string, how: (record: TenantRecord) => TenantRecord) {
    const after = yield* base.tenants.update(tenant, (record) => Result.succeed(how(record)))
    if (base.cutting !== undefined) yield* base.cutting.cut(after)
  }, Effect.mapError(() => unavailable))
  return {
    grant: Effect.fnUntraced(function*(tenant, name, days) {
      const record = yield* known(tenant, name)
      const wrong = refusalOfToolDays(days)
      if (wrong !== undefined) return yield* wrong
      const now = yield* Clock.currentTimeMillis
      const expiresAt = now + Duration.toMillis(Duration.days(days))
      const access = yield* grantTool(base.service, signerNow(base.signerRecord, base.deployment.signer)(), { tenant, name, log: logOf(tenant), expiresAt }).pipe(Effect.mapError(() => unavailable))
      yield* change(tenant, (held) => {
        const before = withoutTools(held, (tool) => tool.name === name, isoTime(now))
        return { ...before, tools: [...before.tools ?? [], { name, nkey: access.nkey, ends_at: isoTime(expiresAt) }] }
      })
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
      const { tools = [] } = yield* known(tenant, name)
      const now = isoTime(yield* Clock.currentTimeMillis)
      yield* change(tenant, (held) => withoutTools(held, (tool) => tool.name === name, now))
      const had = yield* revokeTool(base.service, { tenant, name, log: logOf(tenant) }).pipe(Effect.mapError(() => unavailable))
      // after a restore its consumer is gone, and its token is not
      if (!had && !tools.some((tool) => tool.name === name && tool.revoked_at === undefined)) return yield* failed(404, "unknown-tool", `No tool of the name ${name} has access to ${tenant}.`)
      yield* base.audit.record({ type: "tool.revoked", tenant, data: { tool_id: opaqueId("tool", tenant, name) } })
    })
  }
}
