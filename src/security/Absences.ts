import type { FactOf } from "../../streams/catalog.ts"

/** Places where a commit's events lay and lie no more. */
interface Absent {
  readonly recordSeq: number
  readonly author: string
  /** How many events that record names. */
  readonly of: number
}

/**
 * Events that commit records name and that are not there: purged, or taken away by somebody. What was purged is announced
 * (`conversation.expired`) further on in the log, so nobody can tell before the log was read as far as it went when the
 * hole was seen. What is unexplained then is missing.
 *
 * About 60 bytes for each event that was purged and whose announcement was not read yet.
 */
export class Absences {
  readonly #places = new Map<string, Map<number, Absent>>()

  note(tenant: string, absent: Absent, places: ReadonlyArray<number>): void {
    if (places.length === 0) return
    const held = this.#places.get(tenant) ?? new Map<number, Absent>()
    this.#places.set(tenant, held)
    for (const place of places) held.set(place, absent)
  }

  /** Hosted announced what it purged. An older announcement says only where it ends. */
  explain(tenant: string, { before_seq, purged }: FactOf<"conversation.expired">["data"]): void {
    const held = this.#places.get(tenant)
    if (held === undefined) return
    if (purged === undefined) for (const place of held.keys()) if (place < before_seq) held.delete(place)
    for (const [place] of purged ?? []) held.delete(place)
    if (held.size === 0) this.#places.delete(tenant)
  }

  /** Everything of the tenant was purged, and its keys are gone. */
  forget(tenant: string): void {
    this.#places.delete(tenant)
  }

  get some(): boolean {
    return this.#places.size > 0
  }

  /** What nobody has announced yet, by record, in the order of the log. */
  list(): ReadonlyArray<Absent & { readonly tenant: string; readonly count: number }> {
    const counts = new Map<Absent, { readonly tenant: string; count: number }>()
    for (const [tenant, places] of this.#places) {
      for (const absent of places.values()) {
        const held = counts.get(absent) ?? { tenant, count: 0 }
        held.count++
        counts.set(absent, held)
      }
    }
    return [...counts].map(([absent, counted]) => ({ ...absent, ...counted })).sort((a, b) => a.recordSeq - b.recordSeq)
  }

  /** Let go of what records up to there lack: it was told of. */
  drop(through: number): void {
    for (const [tenant, places] of this.#places) {
      for (const [place, { recordSeq }] of places) if (recordSeq <= through) places.delete(place)
      if (places.size === 0) this.#places.delete(tenant)
    }
  }
}
