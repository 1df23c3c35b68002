import { isToken } from "../../streams/ids.ts"
import { digestOf, hmac } from "./digest.ts"
import type { DataKey } from "./sealing.ts"
import { contexts } from "./signing.ts"

/**
 * The name under which an outside id leaves the machine when it is no token, or holds PII: `h_` + 43 characters.
 * The same on every device of the tenant; nobody without the data key can tell which id it stands for.
 */
export const sharedId = (key: DataKey, id: string): string => `h_${hmac(key.secret, contexts.id + id).toString("base64url")}`

const mapped = /^x_[A-Za-z0-9_-]{43}$/

/**
 * An outside id as a token of local journal subjects: itself when it is one, else `x_` + its SHA-256.
 * An id that looks mapped is mapped too, so two ids never share a token.
 */
export const journalToken = (id: string): string => isToken(id) && !mapped.test(id) ? id : `x_${digestOf(id)}`
