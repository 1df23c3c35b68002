import { Clock, Effect, Result } from "effect"
import { isoTime } from "../../streams/time.ts"
import { goingWith, shutOut } from "./control.ts"
import type { Cutting } from "./followRevocations.ts"
import { loadRevocations } from "./Revocations.ts"
import type { TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

export interface KeepOutContext {
  readonly tenants: Pick<Tenants, "all" | "update">
  readonly cutting: Pick<Cutting, "cut">
  readonly dataDir: string
}

/**
 * At a start: whoever `revocations.json` or TENANTS says is revoked, is so in both. They differ after a restore, when
 * one of them is the newer; without this a machine revoked in between would register again and get a new leaf.
 */
export const keepOut = Effect.fn("keepOut")(function*({ cutting, dataDir, tenants }: KeepOutContext) {
  const now = yield* Clock.currentTimeMillis
  const held = yield* loadRevocations(dataDir)
  for (const { tenant } of [...tenants.all()]) {
    yield* tenants.update(tenant, (record): Result.Result<TenantRecord, never> => Result.succeed(withoutRevoked(record, held, isoTime(now))))
  }
  yield* cutting.cut({ gone: [...tenants.all()].flatMap(({ gone }) => gone) })
})

/** The same record where nobody in it is revoked. */
export const withoutRevoked = (record: TenantRecord, revoked: Readonly<Record<string, number>>, at: string): TenantRecord =>
  record.devices.filter(({ transport_keys }) => transport_keys.some((key) => key in revoked)).flatMap(({ peer_id }) => goingWith(record, peer_id)).reduce((left, device) => shutOut(left, device, at), record)
