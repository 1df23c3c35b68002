import { Context, type Effect } from "effect"
import type { CommandFailed } from "./Backend.ts"
import type { Erased } from "./ErasureReceipt.ts"

/** What a run of retention removed from the log. */
export interface Expired {
  readonly conversations: number
  readonly events: number
}

/** What a backend does with a tenant's data as a whole. */
export class TenantData extends Context.Service<TenantData, {
  /** The person's name at the hosted side; `null` where this backend is not paired. Hosted refuses a tenant it never heard of. */
  readonly userOf: (tenant: string) => Effect.Effect<string | null, CommandFailed>
  /** Everything of the tenant goes, here and, as they hear of it, on all its devices. It cannot be undone. */
  readonly erase: (tenant: string) => Effect.Effect<Erased, CommandFailed>
  /** Hosted: remove now what has been kept long enough, of one tenant or of all. */
  readonly expire: (tenant: string | undefined) => Effect.Effect<Expired, CommandFailed>
}>()("streams/TenantData") {}
