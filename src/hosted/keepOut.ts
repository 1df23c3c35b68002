import { Clock, Effect, Result } from "effect"
import { isoTime } from "../../streams/time.ts"
import { goingWith, shutOut } from "./control.ts"
import type { Cutting } from "./followRevocations.ts"
import { type GoneList, loadGone } from "./goneList.ts"
import { loadRevocations } from "./Revocations.ts"
import type { TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"
import { withoutTools } from "./tools.ts"

export interface KeepOutContext {
  readonly tenants: Pick<Tenants, "all" | "update">
  readonly cutting: Pick<Cutting, "cut">
  readonly dataDir: string
}

/**
 * At a start: whoever `gone.json`, `revocations.json` or TENANTS says is revoked, is so in all. They differ after a
 * restore, when one of them is the newer; without this who was revoked in between would register again.
 */
export const keepOut = Effect.fn("keepOut")(function*({ cutting, dataDir, tenants }: KeepOutContext) {
  const now = yield* Clock.currentTimeMillis
  const held = { keys: yield* loadRevocations(dataDir), peers: yield* loadGone(dataDir) }
  for (const { tenant } of [...tenants.all()]) {
    yield* tenants.update(tenant, (record): Result.Result<TenantRecord, never> => Result.succeed(withoutRevoked(record, held, isoTime(now))))
  }
  const all = [...tenants.all()]
  yield* cutting.cut({ gone: all.flatMap(({ gone }) => gone), tools: all.flatMap(({ tools = [] }) => tools) })
})

/** The same record where nobody in it, and no tool, is revoked. */
const withoutRevoked = (record: TenantRecord, revoked: { readonly keys: Readonly<Record<string, number>>; readonly peers: GoneList }, at: string): TenantRecord =>
  record.devices.filter(({ peer_id, transport_keys }) => peer_id in revoked.peers || transport_keys.some((key) => key in revoked.keys)).flatMap(({ peer_id }) => goingWith(record, peer_id)).reduce((left, device) => shutOut(left, device, at), withoutTools(record, ({ nkey }) => nkey in revoked.keys, at))
