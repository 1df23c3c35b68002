import { Result } from "effect"
import { decode } from "../../streams/Envelope.ts"
import type { ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import type { AuthorKey } from "./AuthorKeys.ts"
import { parseCommit, verifyCommit } from "./commit.ts"
import { digestOf } from "./digest.ts"

const encoder = new TextEncoder()

/**
 * Whether hosted, by one of these keys, says that this tenant was erased: its signature over a record that holds the
 * event's hash, and the event names the tenant. Nothing less makes a machine erase what a person wrote on it.
 */
export const isErased = (receipt: ErasureReceipt, tenant: string, hosted: ReadonlyArray<AuthorKey>): boolean => {
  const event = encoder.encode(receipt.event)
  const parsed = parseCommit(encoder.encode(receipt.record))
  const envelope = decode(event)
  return Result.isSuccess(parsed) && Result.isSuccess(envelope) &&
    parsed.success.record.author === "hosted" && parsed.success.record.hashes.includes(digestOf(event)) &&
    envelope.success.type === "tenant.erased" && envelope.success.subject === tenant &&
    hosted.some(({ publicKey }) => verifyCommit(parsed.success, publicKey))
}
