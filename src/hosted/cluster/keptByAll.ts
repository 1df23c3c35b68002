import { streams } from "../../../streams/definitions.ts"
import { tenantStore } from "../backup.ts"
import { type ClusterLayout, logsIn } from "./layout.ts"

/** Every stream that is kept three times: a server whose disk is to be replaced may hold the only whole copy of any of it. */
export const keptByAll = (layout: ClusterLayout): ReadonlyArray<string> => [...logsIn(layout), streams.telemetry.name, streams.audit.name, streams.alerts.name, tenantStore]
