import type { Envelope } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import type { AuthorKeys } from "./AuthorKeys.ts"
import { type LogMessage, LogReader } from "./LogReader.ts"
import { readLog } from "./openLog.ts"

/** Problems listed by an audit; more are counted. */
const listedMax = 1000

/** Re-check a whole log: every hash, every signature, every chain, from nothing but the pinned hosted key. */
export class LogAudit {
  #reader: LogReader
  readonly #options: { readonly open: (tenant: string, envelope: Envelope) => OpenResult; readonly isOwn: (envelope: Envelope) => boolean }
  #problems: Array<{ readonly seq: number; readonly what: string; readonly detail: string }> = []
  #count = 0
  #parked = 0
  #commits = 0
  #events = 0

  constructor(keys: AuthorKeys, options: { readonly open: (tenant: string, envelope: Envelope) => OpenResult; readonly isOwn: (envelope: Envelope) => boolean }) {
    this.#reader = new LogReader(keys)
    this.#options = options
  }

  read(batch: ReadonlyArray<LogMessage>): void {
    for (const item of readLog(this.#reader, batch, this.#options)) {
      if (item.kind === "problem") this.#note(item.seq, item.what, item.detail)
      else {
        this.#commits++
        this.#events += item.events.length
        for (const event of item.events) if (event._tag === "unreadable") this.#note(event.seq, event.what, event.detail)
      }
    }
  }

  /** Events are missing whose purge may have been announced behind what was read. */
  get lacks(): boolean {
    return this.#reader.absences.some
  }

  /** A registration was found behind what its author wrote: to be read once more from the beginning, after `again`. */
  get isLate(): boolean {
    return this.#reader.isLate
  }

  /** Forget everything but the keys. */
  again(): void {
    this.#reader = new LogReader(this.#reader.keys)
    this.#problems = []
    this.#count = this.#parked = this.#commits = this.#events = 0
  }

  /** `ok`: nothing is damaged. What is parked is listed, and holds: this program cannot read it yet. */
  result() {
    const waiting = this.#reader.waiting.map(({ seq, subject }) => ({ seq, what: "uncovered", detail: `message at ${seq} on ${subject} is covered by no commit` }))
    const missing = this.#reader.missing().map(({ detail, seq, what }) => ({ seq, what, detail }))
    const problems = [...this.#problems, ...missing, ...waiting].slice(0, listedMax)
    const problem_count = this.#count + missing.length + waiting.length
    return { ok: problem_count === this.#parked, commits: this.#commits, events: this.#events, problem_count, problems }
  }

  #note(seq: number, what: string, detail: string): void {
    this.#count++
    if (what === "parked") this.#parked++
    if (this.#problems.length < listedMax) this.#problems.push({ seq, what, detail })
  }
}
