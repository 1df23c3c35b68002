import { hexDigestOf } from "./digest.ts"

/** What the audit calls something people have named: who knows the name can make it, and nobody reads the name from it. */
export const opaqueId = (kind: "operator" | "tool", ...name: ReadonlyArray<string>): string => `${kind}_${hexDigestOf(name.join("\0")).slice(0, 16)}`
