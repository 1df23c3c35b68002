/** What a run has seen so far: counts, why it is red, and what it left out. */
export class Outcome {
  passed = 0
  skipped = 0
  /** One line for each thing that failed, said again at the end, below all output. */
  readonly failures: Array<string> = []
  /** Why something was left out → the tests by name; none where only a probe noticed. */
  readonly leftOut: Map<string, Array<string>> = new Map()

  get failed(): number {
    return this.failures.length
  }

  fail(why: string): void {
    this.failures.push(why)
  }

  leaveOut(why: string, test?: string): void {
    const tests = this.leftOut.get(why) ?? []
    if (test !== undefined) tests.push(test)
    this.leftOut.set(why, tests)
  }

  /** Lines for a person, the last one for a script: `N passed, N failed, N skipped`. */
  lines(requireAll: boolean): ReadonlyArray<string> {
    const lines: Array<string> = []
    if (this.leftOut.size > 0) lines.push("Left out:")
    for (const [why, tests] of this.leftOut) {
      lines.push(`  ${why}`, ...tests.map((test) => `    - ${test}`))
    }
    if (requireAll && this.leftOut.size > 0) lines.push("REQUIRE_ALL=1: leaving something out is a failure.")
    if (this.failures.length > 0) lines.push("Failed:", ...this.failures.map((failure) => `  ${failure}`))
    return [...lines, `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`]
  }

  isGreen(requireAll: boolean): boolean {
    return this.failed === 0 && this.passed > 0 && !(requireAll && this.leftOut.size > 0)
  }
}
