/** How much waits, and how much of it of one sender. */
export interface FairLimits {
  /** Handled at once, of all senders, and of one. */
  readonly running: number
  readonly runningOfOne: number
  /** Bytes that wait, of all senders, and of one. An item counts for `itemOverheadBytes` more than it has. */
  readonly waitingBytes: number
  readonly waitingBytesOfOne: number
}

/** What an empty item costs us in memory, about. */
const itemOverheadBytes = 512

interface Sender<A> {
  readonly waiting: Array<{ readonly item: A; readonly bytes: number }>
  bytes: number
  running: number
}

/**
 * Work of many senders for a few hands: each sender in turn, so that one who sends without end waits for itself alone.
 * What would be too much is not taken, and its sender hears nothing.
 */
export class FairQueue<A> {
  readonly #limits: FairLimits
  readonly #senders = new Map<string, Sender<A>>()
  #bytes = 0
  #running = 0

  constructor(limits: FairLimits) {
    this.#limits = limits
  }

  /** Whether it was taken. */
  offer(from: string, item: A, size: number): boolean {
    const bytes = size + itemOverheadBytes
    const sender = this.#senders.get(from) ?? { waiting: [], bytes: 0, running: 0 }
    if (this.#bytes + bytes > this.#limits.waitingBytes || sender.bytes + bytes > this.#limits.waitingBytesOfOne) return false
    sender.waiting.push({ item, bytes })
    sender.bytes += bytes
    this.#bytes += bytes
    this.#senders.set(from, sender)
    return true
  }

  /** The next to be handled, if a hand is free: of the sender that has waited for its turn the longest. `done` gives the hand back. */
  take(): { readonly item: A; readonly done: () => void } | undefined {
    if (this.#running >= this.#limits.running) return undefined
    for (const [from, sender] of this.#senders) {
      if (sender.running >= this.#limits.runningOfOne) continue
      const next = sender.waiting.shift()
      if (next === undefined) continue
      sender.bytes -= next.bytes
      this.#bytes -= next.bytes
      sender.running++
      this.#running++
      // behind all others
      this.#senders.delete(from)
      this.#senders.set(from, sender)
      return { item: next.item, done: () => this.#done(from, sender) }
    }
    return undefined
  }

  #done(from: string, sender: Sender<A>): void {
    sender.running--
    this.#running--
    if (sender.running === 0 && sender.waiting.length === 0) this.#senders.delete(from)
  }
}
