import { Result, Schema } from "effect"
import { AuditEntry } from "../../streams/Audit.ts"
import { digestOf } from "./digest.ts"

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
export const linked = (end: AuditEnd, entry: Omit<AuditEntry, "n" | "prev">): { readonly bytes: Uint8Array; readonly end: AuditEnd } => {
  const n = end.n + 1
  const bytes = encoder.encode(JSON.stringify({ ...entry, n, prev: end.digest } satisfies AuditEntry))
  return { bytes, end: { n, digest: digestOf(bytes) } }
}

/** Problems listed; more are counted. */
const listedMax = 1000

interface Chain extends AuditEnd {
  readonly first: number
}

/**
 * Check chains from their first entry that is left: each must name the one before. What has grown too old is gone from the
 * front, so a chain may begin at any number; nothing may be missing after that.
 *
 * It shows alteration and removal by whoever does not write every later entry anew. Against one who does, compare `head`
 * with one noted earlier.
 */
export class AuditCheck {
  readonly #chains = new Map<string, Chain>()
  readonly #problems: Array<{ readonly place: number; readonly what: string }> = []
  #entries = 0
  #count = 0

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
    this.#chains.set(name, { n, digest: digestOf(bytes), first: before?.first ?? n })
  }

  result() {
    const chains = [...this.#chains].map(([tenant, { digest, first, n }]) => ({ tenant: tenant === "" ? null : tenant, first, last: n, head: digest }))
    return { ok: this.#count === 0, entries: this.#entries, chains, problem_count: this.#count, problems: this.#problems }
  }

  #note(place: number, what: string): void {
    this.#count++
    if (this.#problems.length < listedMax) this.#problems.push({ place, what })
  }
}
