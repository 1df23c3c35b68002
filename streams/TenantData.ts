import { Context, type Effect } from "effect"

/** What a backend knows of a tenant as a whole: whose it is. */
export class TenantData extends Context.Service<TenantData, {
  /** The person's name at the hosted side; `null` where this backend is not paired, or never heard of the tenant. */
  readonly userOf: (tenant: string) => Effect.Effect<string | null>
}>()("streams/TenantData") {}
