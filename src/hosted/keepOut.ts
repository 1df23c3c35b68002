import { Clock, Effect, Result } from "effect"
import { isoTime, millisOf } from "../../streams/time.ts"
import type { Wired } from "../nats/connect.ts"
import type { HubSecrets } from "../nats/hubSecrets.ts"
import { merge, revokeLeaf } from "../nats/revocation.ts"
import { shutOut } from "./control.ts"
import type { Deployment } from "./Deployment.ts"
import { loadRevocations, saveRevocations } from "./Revocations.ts"
import type { TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

export interface KeepOutContext {
  readonly tenants: Tenants
  readonly deployment: Deployment
  readonly system: Wired | undefined
  readonly dataDir: string
}

/**
 * At a start: whoever `revocations.json` or TENANTS says is revoked, is so in both. They differ after a restore, when
 * one of them is the newer; without this a machine revoked in between would register again and get a new leaf.
 */
export const keepOut = Effect.fn("keepOut")(function*({ dataDir, deployment, system, tenants }: KeepOutContext) {
  if (system === undefined || deployment.hub === undefined) return
  const now = yield* Clock.currentTimeMillis
  const held = yield* loadRevocations(dataDir)
  for (const { tenant } of [...tenants.all()]) {
    yield* tenants.update(tenant, (record): Result.Result<TenantRecord, never> => Result.succeed(withoutRevoked(record, held, isoTime(now))))
  }
  const gone = merge({}, revokedIn(tenants.all()), Math.floor(now / 1000))
  if (Object.keys(gone).every((key) => key in held)) return
  yield* revoke(system, deployment.hub, gone, dataDir)
})

const revoke = (system: Wired, hub: HubSecrets, gone: Readonly<Record<string, number>>, dataDir: string) =>
  revokeLeaf(system, hub, gone).pipe(Effect.flatMap((all) => saveRevocations(dataDir, all)))

/** The same record where nobody in it is revoked. */
export const withoutRevoked = (record: TenantRecord, revoked: Readonly<Record<string, number>>, at: string): TenantRecord =>
  record.devices.filter(({ transport_keys }) => transport_keys.some((key) => key in revoked)).reduce((left, device) => shutOut(left, device, at), record)

/** Transport keys of everybody who is gone, with the second they went. */
const revokedIn = (records: Iterable<TenantRecord>): Readonly<Record<string, number>> =>
  Object.fromEntries([...records].flatMap(({ gone }) => gone.flatMap(({ at, transport_keys }) => transport_keys.map((key): readonly [string, number] => [key, Math.floor(millisOf(at) / 1000)]))))
