/** Callers remembered at once; beyond, all are forgotten, which errs on the side of letting in. */
const callersMax = 10_000

/**
 * At most `perSecond` calls in any second-long window that begins with a caller's first call.
 * `(caller, nowMillis)` answers whether this call may go on.
 */
export const makeRateLimit = (perSecond: number) => {
  const windows = new Map<string, { since: number; calls: number }>()
  return (caller: string, nowMillis: number): boolean => {
    const window = windows.get(caller)
    if (window !== undefined && nowMillis - window.since < 1000) return ++window.calls <= perSecond
    if (windows.size >= callersMax) windows.clear()
    windows.set(caller, { since: nowMillis, calls: 1 })
    return true
  }
}
