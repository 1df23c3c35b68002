import { Effect } from "effect"
import type { Identity } from "../../streams/events/peer.ts"
import { signerOf } from "../../src/security/BackendIdentity.ts"
import { generateKeys } from "../../src/security/keys.ts"
import { signObject } from "../../src/security/signing.ts"

/** A hosted backend's pen, with keys of its own. It signs on this thread: under a test's clock nothing takes real time. */
export const makeAuditSigner = Effect.map(generateKeys, (pair) => {
  const identity: Identity = { backend_id: `hosted_sha256_${"2".repeat(64)}`, backend_type: "hosted", public_key: pair.publicPem, wrap_key: pair.publicPem, capabilities: [], version: "1.0", created_at: "2026-11-22T10:00:00.000Z" }
  return {
    ...signerOf({ identity, signing: pair, wrap: pair }),
    signObject: <A extends object>(...[context, object]: [Parameters<typeof signObject>[1], A]) => Effect.sync(() => signObject(pair.privateKey, context, object))
  }
})

/** One for all that only need one: making keys takes a while. */
export const auditSigner = Effect.runSync(Effect.cached(makeAuditSigner))
