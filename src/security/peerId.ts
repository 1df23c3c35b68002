import { randomBytes } from "node:crypto"
import { Result } from "effect"
import { hexDigestOf } from "./digest.ts"
import { type KeyRefused, publicKey } from "./keys.ts"

/** A backend registered with another: `peer_` + first 16 hex of SHA-256(tenant NUL backend_id), the same wherever it registers. */
export const peerIdOf = (tenant: string, backendId: string): string =>
  `peer_${hexDigestOf(`${tenant}\0${backendId}`).slice(0, 16)}`

const base32 = "abcdefghijklmnopqrstuvwxyz234567"

/** A new tenant: `t_` + 16 random base32 characters (80 bits). Says nothing about the user. */
export const newTenantId = (): string => `t_${Array.from(randomBytes(16), (byte) => base32[byte & 31]).join("")}`

/** A local backend: this machine and this data directory, so that two directories on one machine are two backends. */
export const localBackendId = (machineId: string, instanceId: string): string =>
  `local_sha256_${hexDigestOf(`${machineId}\0${instanceId}`)}`

/** A hosted backend: its deployment, however many processes serve it. */
export const hostedBackendId = (deploymentId: string): string => `hosted_sha256_${hexDigestOf(deploymentId)}`

/** Whether a companion's id is that of its key: nobody else can have made it. */
export const isCompanionOf = (backendId: string, publicPem: string): boolean => {
  const own = companionBackendId(backendId.slice(0, Math.max(0, backendId.indexOf("_sha256_"))), publicPem)
  return Result.isSuccess(own) && own.success === backendId && !/^(local|hosted)_sha256_/.test(backendId)
}

/** A companion (`ios`, `android`, `web`, …): its public signing key, so its id cannot be taken by another. */
export const companionBackendId = (platform: string, publicPem: string): Result.Result<string, KeyRefused> =>
  Result.map(publicKey(publicPem), ({ key }) => `${platform}_sha256_${hexDigestOf(key.export({ type: "spki", format: "der" }))}`)
