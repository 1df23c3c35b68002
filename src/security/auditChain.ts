import { Effect, Result, Schema } from "effect"
import { AuditEntry } from "../../streams/Audit.ts"
import type { AuthorKey } from "./AuthorKeys.ts"
import type { Signer } from "./BackendIdentity.ts"
import { digestOf } from "./digest.ts"
import { verifyObject } from "./signing.ts"

/** The last entry of a chain: how many there were, and its digest. */
export interface AuditEnd {
  readonly n: number
  readonly digest: string
}

export const emptyChain: AuditEnd = { n: 0, digest: "" }

const readJson = Schema.decodeUnknownResult(Schema.fromJsonString(AuditEntry))
const decoder = new TextDecoder()
const encoder = new TextEncoder()

export const parseAudit = (bytes: Uint8Array): Result.Result<AuditEntry, string> => Result.mapError(readJson(decoder.decode(bytes)), () => "is no audit entry")

export const endOf = (bytes: Uint8Array): Result.Result<AuditEnd, string> => Result.map(parseAudit(bytes), ({ n }) => ({ n, digest: digestOf(bytes) }))

/** An entry in its place: what is stored, and the chain's new end. */
export interface Linked {
  readonly bytes: Uint8Array
  readonly end: AuditEnd
}

export const linked = (end: AuditEnd, entry: Omit<AuditEntry, "n" | "prev">): Linked => stored({ ...entry, n: end.n + 1, prev: end.digest })

/** The same, signed: it vouches for everything in its chain up to here. */
export const signedLink = (end: AuditEnd, entry: Omit<AuditEntry, "n" | "prev">, signer: Pick<Signer, "keyId" | "signObject">): Effect.Effect<Linked> =>
  Effect.suspend(() => Effect.map(signer.signObject("audit", { ...entry, n: end.n + 1, prev: end.digest, key_id: signer.keyId }), stored))

const stored = (entry: AuditEntry): Linked => {
  const bytes = encoder.encode(JSON.stringify(entry))
  return { bytes, end: { n: entry.n, digest: digestOf(bytes) } }
}

/** Problems listed; more are counted. */
const listedMax = 1000

interface Chain extends AuditEnd {
  readonly first: number
  /** Where its last entry is stored, and that entry. */
  readonly place: number
  readonly bytes: Uint8Array
}

/**
 * Check chains from their first entry that is left: each must name the one before. What has grown too old is gone from the
 * front, so a chain may begin at any number; nothing may be missing after that.
 *
 * Given the keys of whoever wrote them, each chain must end in an entry signed by one of them: nobody else can alter, remove
 * or put in anything before it, however many later entries they write anew. What shows only in a `head` noted earlier is
 * a chain cut off behind an older signed entry. Without keys it shows alteration by whoever does not write every later entry anew.
 */
export class AuditCheck {
  readonly #keys: ReadonlyArray<AuthorKey> | undefined
  readonly #chains = new Map<string, Chain>()
  readonly #problems: Array<{ readonly place: number; readonly what: string }> = []
  #entries = 0
  #count = 0

  constructor(keys?: ReadonlyArray<AuthorKey>) {
    this.#keys = keys
  }

  /** `place`: where it is stored. `chain`: the tenant whose chain it lies in, as its place says; the entry's own where that says nothing. */
  read(bytes: Uint8Array, place: number, chain?: string): void {
    this.#entries++
    const parsed = parseAudit(bytes)
    if (Result.isFailure(parsed)) return this.#note(place, parsed.failure)
    const { n, prev, tenant } = parsed.success
    const name = chain ?? tenant ?? ""
    if (name !== (tenant ?? "")) this.#note(place, "names another tenant than its subject")
    const before = this.#chains.get(name)
    if (before === undefined ? (n === 1) !== (prev === "") : n !== before.n + 1 || prev !== before.digest) {
      this.#note(place, before === undefined ? "does not begin a chain" : `does not follow entry ${before.n}: something was altered, removed or put in`)
    }
    this.#chains.set(name, { n, digest: digestOf(bytes), first: before?.first ?? n, place, bytes })
  }

  /** Once, when all is read. */
  result() {
    const chains = [...this.#chains].map(([tenant, { bytes, digest, first, n, place }]) => {
      const signed_by = this.#keys === undefined ? null : signerOf(bytes, this.#keys)
      if (signed_by === undefined) this.#note(place, "ends its chain and is not signed by this deployment: the chain was cut off, or written anew")
      return { tenant: tenant === "" ? null : tenant, first, last: n, head: digest, signed_by: signed_by ?? null }
    })
    return { ok: this.#count === 0, entries: this.#entries, chains, problem_count: this.#count, problems: this.#problems }
  }

  #note(place: number, what: string): void {
    this.#count++
    if (this.#problems.length < listedMax) this.#problems.push({ place, what })
  }
}

/** Which of the keys signed this entry, if one did. */
const signerOf = (bytes: Uint8Array, keys: ReadonlyArray<AuthorKey>): string | undefined => {
  const entry: object = JSON.parse(decoder.decode(bytes))
  return keys.find(({ keyId, publicKey }) => Reflect.get(entry, "key_id") === keyId && verifyObject(publicKey, "audit", entry))?.keyId
}
