import { utf8 } from "./bytes.ts"
import { readRecord } from "./commit.ts"
import { digestOf } from "./digest.ts"
import { keysFrom } from "./handovers.ts"
import { keyIdOf } from "./keys.ts"
import type { Identity } from "./proofs.ts"
import { verifyObject } from "./signing.ts"

/** What a backend answers with 410: the event that stayed of a person, hosted's record over it, and hosted's identity. */
export interface ErasureReceipt {
  readonly event: string
  readonly record: string
  readonly hosted: Identity
}

/**
 * Since when everything of this tenant is erased, by hosted's signature; nothing where the receipt does not hold. Known of
 * hosted is one key only, by its `key_id`: the key that signed is that one, or one that it led to.
 */
export const erasedAt = async (receipt: unknown, tenant: string, pinned: string): Promise<string | undefined> => {
  if (!isReceipt(receipt)) return undefined
  const record = readRecord(receipt.record)
  const event = read(receipt.event)
  const at = event?.data?.erased_at
  if (record?.author !== "hosted" || event?.type !== "tenant.erased" || event.subject !== tenant || typeof at !== "string") return undefined
  if (!record.hashes.includes(await digestOf(utf8(receipt.event)))) return undefined
  for (const pem of await keysFrom(pinned, "hosted", receipt.hosted)) {
    if (await keyIdOf(pem) === record.key_id && await verifyObject(pem, "commit", record)) return at
  }
  return undefined
}

const isReceipt = (json: unknown): json is ErasureReceipt => {
  if (typeof json !== "object" || json === null) return false
  const hosted: unknown = Reflect.get(json, "hosted")
  return typeof Reflect.get(json, "event") === "string" && typeof Reflect.get(json, "record") === "string" &&
    typeof hosted === "object" && hosted !== null && typeof Reflect.get(hosted, "public_key") === "string"
}

const read = (text: string): { readonly type?: unknown; readonly subject?: unknown; readonly data?: { readonly erased_at?: unknown } } | undefined => {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === "object" && json !== null ? json : undefined
  } catch {
    return undefined
  }
}
