import { erasedAt } from "../../security/portable/erasure.ts"
import type { Link } from "./Link.ts"
import { MaestraError } from "./problems.ts"
import type { Storage } from "./storage.ts"
import type { Vault } from "./vault.ts"

/** What stays of an erasure: since when, until this surface joins again. */
export interface Erased {
  readonly at: string
}

export const erasedKey = "erased"
/** Writing and erasing take turns under this name: behind an erasure nothing more is kept. */
export const bookLock = "book"
/** A vault may lie in the same storage. Keys hold nothing of anybody's. */
const vaultPrefix = "keys/"

export const erasedIn = async (storage: Storage): Promise<Erased | undefined> => await storage.read(erasedKey) as Erased | undefined

/** Whoever reads or writes after an erasure is told of it. */
export const isGone = ({ at }: Erased): MaestraError =>
  new MaestraError("erased", `everything of this person was erased at ${at}, and what was kept here with it`, { status: 410, hint: "Join again with a new code to begin anew." })

/**
 * A backend said no. Where it says, with a receipt that holds, that everything of this person was erased, everything kept
 * here goes: conversations, what waits to be sent, telemetry, data keys, the key of the sessions. Answers what to tell.
 */
export const heedErasure = async (cause: unknown, parts: { readonly storage: Storage; readonly link: Pick<Link, "state">; readonly vault: Pick<Vault, "forgetSessionKey"> }): Promise<unknown> => {
  if (!(cause instanceof MaestraError) || cause.status !== 410 || cause.receipt === undefined) return cause
  const { storage, vault } = parts
  // another tab, or the other side's answer, was faster
  const before = await erasedIn(storage)
  if (before !== undefined) return isGone(before)
  const { hosted, tenant } = await parts.link.state()
  const at = await erasedAt(cause.receipt, tenant, hosted.fingerprint)
  if (at === undefined) return cause
  const erased: Erased = { at }
  await storage.alone(bookLock, async () => {
    const all = (await storage.list("")).map(([key]) => key).filter((key) => !key.startsWith(vaultPrefix))
    await storage.write([...all.map((key) => [key, undefined] as const), [erasedKey, erased]])
  })
  await vault.forgetSessionKey()
  return isGone(erased)
}
