import type { AuditFact } from "../../streams/Audit.ts"

/** Equal facts are gathered for this long, milliseconds. */
const windowMillis = 60_000
/** Different facts of one tenant gathered at once; what comes beyond them is counted together, by type. */
const kindsMax = 100
/** Tenants that are counted apart at once. Only known ones have a name here, so an attacker cannot make more. */
const tenantsMax = 10_000

interface Gathered {
  readonly fact: AuditFact
  readonly since: number
  more: number
}

/**
 * Keeps those who can make something happen as often as they like from filling the audit: of equal facts the first is an
 * entry at once, and what follows within a minute is one more entry with its count. Pure but for what it remembers.
 */
export class AuditCounts {
  readonly #tenants = new Map<string, Map<string, Gathered>>()

  /** Whether anything is gathered. */
  get isEmpty(): boolean {
    return this.#tenants.size === 0
  }

  /** The entry to write now, if this is the first of its kind for a while. */
  note(fact: AuditFact, now: number): AuditFact | undefined {
    const tenant = fact.tenant !== undefined && (this.#tenants.has(fact.tenant) || this.#tenants.size < tenantsMax) ? fact.tenant : ""
    const kinds = this.#tenants.get(tenant) ?? new Map<string, Gathered>()
    this.#tenants.set(tenant, kinds)
    const key = JSON.stringify(fact)
    const held = kinds.get(key) ?? (kinds.size < kindsMax ? undefined : kinds.get(fact.type))
    if (held !== undefined) {
      held.more++
      return undefined
    }
    // the last of many stands for all that are no longer told apart
    kinds.set(kinds.size < kindsMax ? key : fact.type, { fact, since: now, more: 0 })
    return fact
  }

  /** What was gathered for long enough; `all` of it at the end. */
  due(now: number, all = false): ReadonlyArray<{ readonly fact: AuditFact; readonly count: number }> {
    const out: Array<{ readonly fact: AuditFact; readonly count: number }> = []
    for (const [tenant, kinds] of this.#tenants) {
      for (const [key, { fact, more, since }] of kinds) {
        if (!all && now - since < windowMillis) continue
        if (more === 0) kinds.delete(key)
        else {
          out.push({ fact, count: more })
          // still going on: gathered for another minute before it counts as new again
          kinds.set(key, { fact, since: now, more: 0 })
        }
      }
      if (kinds.size === 0) this.#tenants.delete(tenant)
    }
    return out
  }
}
