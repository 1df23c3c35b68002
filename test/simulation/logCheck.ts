import { genesis } from "../../streams/CommitRecord.ts"
import { Result } from "effect"
import type { Stamp } from "../../streams/Stamp.ts"
import { parseLog } from "../../streams/subjects.ts"
import type { MemoryStore } from "../../src/nats/memoryStore.ts"
import { digestOf } from "../../src/security/digest.ts"
import type { Kernel } from "./kernel.ts"

interface Head {
  readonly digest: string
  readonly journal: string
  readonly to: number
}

/** The few fields that are looked at, read without the code under test. */
interface Line {
  readonly id: string
  readonly lamport: number
  readonly source: string
  readonly time: string
  readonly author: string
  readonly journal: string
  readonly from: number
  readonly to: number
  readonly prev: string
  readonly seen: { readonly head: string; readonly log_seq: number }
  readonly hashes: ReadonlyArray<string>
}

const decoder = new TextDecoder()

/** Follows one log from its beginning and says what is wrong with every message as it is written: invariants 2, 3, 4, 11, 12. */
export class LogCheck {
  readonly store: MemoryStore | undefined
  /** Every event that is there, by id. */
  readonly stamps = new Map<string, Stamp>()
  readonly #kernel: Kernel
  readonly #heads = new Map<string, Head>()
  /** Digests of all records, by place and tenant. */
  readonly #records = new Map<string, string>()
  /** Greatest lamport per author and journal. */
  readonly #lamports = new Map<string, number>()
  #pending: Array<{ readonly hash: string; readonly lamport: number; readonly id: string }> = []
  #seq = 0

  /** Peers of which nothing may come any more. */
  readonly shutOut: Set<string>
  readonly #isFirst: boolean

  /** `isFirst`: the log was never put back, so whatever anybody had read of it is there. */
  constructor(kernel: Kernel, store?: MemoryStore, shutOut = new Set<string>(), isFirst = false) {
    this.#isFirst = isFirst
    this.#kernel = kernel
    this.store = store
    this.shutOut = shutOut
  }

  readOn(): void {
    for (const { data, seq, subject } of this.store?.from(this.#seq + 1, Number.MAX_SAFE_INTEGER) ?? []) {
      this.#seq = seq
      const { kind, tenant } = Result.getOrThrow(parseLog(subject))
      const line = JSON.parse(decoder.decode(data)) as Line
      if (kind === "commit") this.#commit(tenant, line, digestOf(data), seq)
      else {
        if (this.stamps.has(line.id)) this.#kernel.fail(2, `event ${line.id} is in the log a second time, at ${seq}`)
        this.stamps.set(line.id, { lamport: line.lamport, time: line.time, source: line.source })
        this.#pending.push({ hash: digestOf(data), lamport: line.lamport, id: line.id })
      }
    }
  }

  #commit(tenant: string, record: Line, digest: string, seq: number): void {
    const chain = `${tenant}.${record.author}`
    const head = this.#heads.get(chain)
    const at = `commit of ${record.author} at ${seq}`
    if (this.shutOut.has(record.author)) this.#kernel.fail(11, `${at}, which was shut out`)
    if (record.prev !== (head?.digest ?? genesis)) this.#kernel.fail(3, `${at} does not follow its author's last one`)
    const from = head?.journal === record.journal ? head.to + 1 : 1
    if (record.from !== from) this.#kernel.fail(3, `${at} begins at ${record.from}, not at ${from}`)
    const events = this.#pending
    this.#pending = []
    if (events.length !== record.hashes.length || events.some(({ hash }, i) => hash !== record.hashes[i])) {
      this.#kernel.fail(3, `${at} does not cover the ${events.length} events in front of it`)
    }
    const journal = `${chain}.${record.journal}`
    for (const { id, lamport } of events) {
      const last = this.#lamports.get(journal) ?? 0
      if (lamport <= last) this.#kernel.fail(4, `event ${id} at ${seq} has lamport ${lamport}, after ${last} of the same journal`)
      this.#lamports.set(journal, lamport)
    }
    const { seen } = record
    if (this.#isFirst && seen.head !== "" && this.#records.get(`${tenant}.${seen.log_seq}`) !== seen.head) {
      this.#kernel.fail(12, `${at} says its author had read a record at ${seen.log_seq} that is not there`)
    }
    this.#records.set(`${tenant}.${seq}`, digest)
    this.#heads.set(chain, { digest, journal: record.journal, to: record.to })
  }
}
