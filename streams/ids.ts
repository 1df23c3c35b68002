import { Schema } from "effect"
import { isToken, kindOf, timePattern } from "./tokens.ts"

// apart, because browsers gate with them and need no schemas for it
export { isToken, kindOf, timePattern }

/** `local_sha256_<hex>`, `hosted_sha256_<hex>`, or `<platform>_sha256_<hex>` of a companion. */
export const backendIdPattern = /^[a-z][a-z0-9_]{0,31}_sha256_[0-9a-f]{64}$/
export const BackendId = Schema.String.check(Schema.isPattern(backendIdPattern))

/** One user's data on a hosted backend; opaque, never the user name. */
export const TenantId = Schema.String.check(Schema.isPattern(/^t_[a-z2-7]{16}$/))

/** `peer_` + first 16 hex of SHA-256(tenant NUL backend_id). */
export const PeerId = Schema.String.check(Schema.isPattern(/^peer_[0-9a-f]{16}$/))

/** Who writes commits: a peer, or the hosted backend itself. */
export const Author = Schema.String.check(Schema.isPattern(/^(peer_[0-9a-f]{16}|hosted)$/))

export const Time = Schema.String.check(Schema.isPattern(timePattern))

export const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
export const Uuid = Schema.String.check(Schema.isPattern(uuidPattern))

/**
 * Namespace (RFC 9562, version 5) of the events a gateway writes for a simple client. The name is the canonical JSON of
 * `[the companion's backend_id, conversation, message or null, version]`.
 */
export const simpleClientNamespace = "8f9c4f5e-3d0a-5b7e-9c61-2e7a4d1b6f30"

/** SHA-256, base64url without padding. */
export const Digest = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/))

export const Sequence = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
