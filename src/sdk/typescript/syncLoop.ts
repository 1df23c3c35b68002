import type { SideName } from "./Link.ts"
import type { Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"
import type { SideSynced } from "./sync.ts"

/** 1 s, 2 s, 4 s, 8 s, 16 s, then every 30 s, each spread by ±20 %, without end: being offline is normal. */
const pauseFirstMillis = 1000
const pauseMaxMillis = 30_000
export const pauseAfter = (tries: number, chance: number): number => Math.min(pauseMaxMillis, tries >= 5 ? Infinity : pauseFirstMillis * 2 ** tries) * (0.8 + 0.4 * chance)

interface Looping {
  readonly platform: Platform
  readonly sides: () => Promise<ReadonlyArray<SideName>>
  readonly sync: (side: SideName, signal: AbortSignal) => Promise<SideSynced>
}

/** Sync each side for ever, each at its own pace: one that is down does not hold up the other. */
export const keepSyncing = ({ platform, sides, sync }: Looping) => {
  const ended = new AbortController()
  let woken = new AbortController()
  /** A pause that a write, or the network coming back, cuts short. */
  const pause = (millis: number) => platform.sleep(millis, AbortSignal.any([ended.signal, woken.signal]))
  const run = async (side: SideName): Promise<void> => {
    for (let tries = 0; !ended.signal.aborted;) {
      let millis: number
      try {
        millis = (await sync(side, ended.signal)).nextMillis
        tries = 0
      } catch (cause) {
        const told = cause instanceof MaestraError ? cause.retryMillis : 0
        millis = Math.max(told, pauseAfter(tries++, platform.random()))
      }
      if (millis > 0) await pause(millis)
    }
  }
  const running = sides().then((all) => Promise.all(all.map(run)))
  return {
    wake: () => {
      const before = woken
      woken = new AbortController()
      before.abort()
    },
    stop: async () => {
      ended.abort()
      await running.catch(() => undefined)
    }
  }
}
