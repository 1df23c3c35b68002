import { Effect } from "effect"
import { connectPatiently } from "../../nats/connectPatiently.ts"
import { serviceCredentials } from "../../nats/hubSecrets.ts"
import { openDeployment, openMasterKey } from "../Deployment.ts"
import { addressesOf, type ClusterLayout } from "./layout.ts"

/** The deployment kept in a cluster's folder, and a connection to its servers as the hosted side. `name` is shown in their monitoring. */
export const connectTo = Effect.fnUntraced(function*(dir: string, layout: ClusterLayout, name: string) {
  const deployment = yield* openDeployment(dir, yield* openMasterKey(dir))
  const { creds, inboxPrefix } = yield* serviceCredentials(deployment.hub)
  const wire = yield* connectPatiently({ server: addressesOf(layout), auth: { creds }, name, inboxPrefix })
  return { deployment, wire }
})
