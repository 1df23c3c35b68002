import { type CommitRecord, genesis } from "../../streams/CommitRecord.ts"

/** Digests remembered: 1.5 MiB. Authors name a record they read moments ago, or, after a time offline, one of that time. */
const rememberedMax = 10_000

/**
 * The commit records that lie in a log, whoever signed them and whether they hold or not. A record names the newest one
 * that its author had read (`seen`); where that is not there any more, somebody took it away, or the log lost it, and
 * nothing of its own author needs to lie behind it to show that.
 */
export class RecordsRead {
  readonly #places = new Map<string, number>()
  /** From this place on every record is remembered; what lies before it says nothing. */
  #from: number | undefined
  /** By tenant: an erasure took all before it. */
  readonly #erasedAt = new Map<string, number>()

  /** Each message of the log, in order; `digest` where it is a record. */
  note(seq: number, digest?: string): void {
    this.#from ??= seq
    if (digest === undefined) return
    this.#places.set(digest, seq)
    if (this.#places.size <= rememberedMax) return
    const [oldest, place] = this.#places.entries().next().value!
    this.#places.delete(oldest)
    this.#from = place + 1
  }

  erased(tenant: string, seq: number): void {
    this.#erasedAt.set(tenant, seq)
  }

  /**
   * Whether what a record at `seq` says its author had read is not there. A place at or behind the record's own counts in
   * another history: the log was put back to before it.
   */
  lacks(tenant: string, seq: number, { head, log_seq }: CommitRecord["seen"]): boolean {
    const from = Math.max(this.#from ?? seq, this.#erasedAt.get(tenant) ?? 0)
    return head !== genesis && log_seq >= from && log_seq < seq && !this.#places.has(head)
  }
}
