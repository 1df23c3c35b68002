import type { AdminScope } from "../../../streams/Access.ts"
import { problem } from "./problems.ts"

/**
 * What an admin token must be good for, by `<group>.<endpoint>`. An endpoint that is not here wants `operate`;
 * `test/golden/openapi.test.ts` holds that each one of the operator's is here.
 */
const scopes: Readonly<Record<string, AdminScope>> = {
  "operations.status": "read",
  "operations.peers": "read",
  "operations.keys": "read",
  "operations.rotateKeys": "operate",
  "operations.verify": "read",
  "operations.audit": "read",
  "operations.verifyAudit": "read",
  "operations.rebuild": "operate",
  "hosted.enroll": "operate",
  "tools.grantTool": "operate",
  "tools.revokeTool": "operate",
  "hosted.revoke": "operate",
  // holds the tenant store, if under the master key
  "hosted.backupPlan": "operate",
  "hosted.backupPart": "operate",
  "hosted.expire": "operate",
  "privacy.read": "read",
  "privacy.preview": "read",
  "privacy.change": "operate",
  "privacy.export": "read",
  "observing.allMetrics": "read",
  "observing.metrics": "read",
  "observing.debugSync": "read",
  "observing.dashboard": "read",
  "observing.alerts": "read",
  "observing.silence": "operate",
  "observing.checks": "read",
  "privacy.erase": "operate",
  // it lets in whoever asks, with the scope it asks with
  "operatorSessions.operatorCode": "read",
  "operatorSessions.renewOperatorSession": "read",
  "operatorSessions.endOperatorSession": "read",
  "tokens.createToken": "operate",
  "tokens.listTokens": "operate",
  "tokens.revokeToken": "operate"
}

/** What an endpoint asks of an admin token. */
export const scopeOf = (group: string, endpoint: string): AdminScope => scopes[`${group}.${endpoint}`] ?? "operate"

/** Whether the table names the endpoint. */
export const isScoped = (group: string, endpoint: string): boolean => `${group}.${endpoint}` in scopes

export const scopeTooSmall = problem("scope-too-small", "This admin token only reads.", "Use one of scope operate; `maestra hosted tokens create NAME --scope operate` makes one.")

/** Whether a token of scope `held` is good for what asks for `wanted`. */
export const suffices = (held: AdminScope, wanted: AdminScope): boolean => held === "operate" || wanted === "read"
