import { canonicalJson } from "./canonical.ts"
import { keyIdOf } from "./keys.ts"
import type { Identity } from "./proofs.ts"
import { sign, verify } from "./signing.ts"

/** What a key says when it gives way to another: `author` is the peer's id in its tenant, or `hosted`. */
interface Rotation {
  readonly peer_id: string
  readonly public_key: string
  readonly old_key_id: string
  readonly grace_ends_at: string
}

/** The old key's signature over the new one. */
export const signRotation = (oldKey: CryptoKey, { grace_ends_at, old_key_id, peer_id, public_key }: Rotation): Promise<string> =>
  sign(oldKey, "rotation", canonicalJson({ peer_id, public_key, old_key_id, grace_ends_at }))

/**
 * The key an identity is known by (by its `key_id`) and those it leads to, each signed for by the one before; none where it
 * is not among them. Grace plays no part in it: who was away for a month follows all the same. Never throws.
 */
export const keysFrom = async (knownKeyId: string, author: string, { previous_keys = [], public_key }: Identity): Promise<ReadonlyArray<string>> => {
  const keys = [...previous_keys.map((previous) => previous.public_key), public_key]
  const ids = await Promise.all(keys.map((pem) => keyIdOf(pem).catch(() => "")))
  const from = ids.lastIndexOf(knownKeyId)
  const led: Array<string> = from === -1 ? [] : [keys[from]!]
  for (const [step, { grace_ends_at, signature }] of from === -1 ? [] : previous_keys.slice(from).entries()) {
    const next = keys[from + step + 1]!
    const rotation = { peer_id: author, public_key: next, old_key_id: ids[from + step]!, grace_ends_at }
    if (!(await verify(keys[from + step]!, "rotation", canonicalJson(rotation), signature))) break
    led.push(next)
  }
  return led
}

/** Whether the key an identity names now is the known one, or follows from it. */
export const followsFrom = async (knownKeyId: string, author: string, identity: Identity): Promise<boolean> =>
  (await keysFrom(knownKeyId, author, identity)).at(-1) === identity.public_key
