import { utf8 } from "./bytes.ts"
import { canonicalJson } from "./canonical.ts"
import { readRecord } from "./commit.ts"
import { digestOf } from "./digest.ts"
import { keyIdOf } from "./keys.ts"
import type { Identity } from "./proofs.ts"
import { verify, verifyObject } from "./signing.ts"

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
  for (const pem of await keysFrom(pinned, receipt.hosted)) {
    if (await keyIdOf(pem) === record.key_id && await verifyObject(pem, "commit", record)) return at
  }
  return undefined
}

/** The pinned key, and those it leads to, each signed for by the one before. */
const keysFrom = async (pinned: string, { previous_keys = [], public_key }: Identity): Promise<ReadonlyArray<string>> => {
  const keys = [...previous_keys.map((previous) => previous.public_key), public_key]
  const ids = await Promise.all(keys.map((pem) => keyIdOf(pem).catch(() => "")))
  const from = ids.lastIndexOf(pinned)
  const led: Array<string> = from === -1 ? [] : [keys[from]!]
  for (const [step, { grace_ends_at, signature }] of from === -1 ? [] : previous_keys.slice(from).entries()) {
    const next = keys[from + step + 1]!
    const rotation = { peer_id: "hosted", public_key: next, old_key_id: ids[from + step]!, grace_ends_at }
    if (!(await verify(keys[from + step]!, "rotation", canonicalJson(rotation), signature))) break
    led.push(next)
  }
  return led
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
