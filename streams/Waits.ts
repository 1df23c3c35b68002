/** Where a log's end was at some moment. */
interface Mark {
  readonly at: number
  readonly end: number
}

/** Marks kept. From one to the next is at most a twentieth of the age, through decades: so much too young an age may be told. */
const marksMax = 256

/**
 * How long the oldest thing that was not passed has waited, for an end that rises and a reader behind it.
 *
 * Costs nothing to keep: instead of each event's time a few marks of where the end was. Under steady load, when
 * something is always on its way, the age stays as small as the delay is.
 */
export class Waits {
  #marks: Array<Mark> = []

  /** The end is at `end` now; everything up to `passed` is through. Times in milliseconds since 1970. */
  look(now: number, end: number, passed: number): void {
    // an end that fell is another log's
    this.#marks = this.#marks.filter((mark) => mark.end > passed && mark.end <= end)
    const last = this.#marks.at(-1)
    if (end > passed && (last === undefined || end > last.end)) this.#marks.push({ at: now, end })
    if (this.#marks.length > marksMax) this.#marks.splice(leastMissed(this.#marks, now), 1)
  }

  /** Milliseconds; 0 where nothing waits. */
  age(now: number): number {
    const first = this.#marks[0]
    return first === undefined ? 0 : Math.max(0, now - first.at)
  }
}

/** The mark without which an age would be told least wrong: the gap it leaves is the smallest part of the age there. */
const leastMissed = (marks: ReadonlyArray<Mark>, now: number): number => {
  let least = 1
  let smallest = Infinity
  for (let i = 1; i < marks.length - 1; i++) {
    const share = (marks[i + 1]!.at - marks[i - 1]!.at) / Math.max(1, now - marks[i - 1]!.at)
    if (share < smallest) [smallest, least] = [share, i]
  }
  return least
}
