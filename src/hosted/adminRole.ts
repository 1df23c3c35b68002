import { Effect, SubscriptionRef } from "effect"
import { streams } from "../../streams/definitions.ts"
import type { Wired } from "../nats/connect.ts"
import type { HubSecrets } from "../nats/hubSecrets.ts"
import { followRevocations } from "./followRevocations.ts"
import { openGoneList } from "./goneList.ts"
import { loadRevocations, saveRevocations } from "./Revocations.ts"

/** What the admin role of a hub of one server stands on: nothing where this process joined another's. */
export interface Attached {
  readonly system: Wired | undefined
  readonly deployment: { readonly hub: HubSecrets | undefined }
  readonly keepHub: ((secrets: HubSecrets) => Effect.Effect<void>) | undefined
}

/** In a deployment of one process that one is the admin too: it cuts the leafs of revoked machines, whoever revoked them, and replaces the signing key. */
export const adminRole = Effect.fnUntraced(function*(dataDir: string, { deployment, keepHub, system }: Attached) {
  if (system === undefined || deployment.hub === undefined || keepHub === undefined) return undefined
  const revocations = yield* loadRevocations(dataDir)
  const secrets = yield* SubscriptionRef.make(deployment.hub)
  const cutting = yield* followRevocations({ system, secrets: () => SubscriptionRef.getUnsafe(secrets), logs: [streams.log.name], revocations, keep: (all) => saveRevocations(dataDir, all), remember: yield* openGoneList(dataDir) })
  return { cutting, secrets, keepHub }
})
