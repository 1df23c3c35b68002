import type { SideName, SideSynced } from "./api.ts"
import type { Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"

/** 1 s, 2 s, 4 s, 8 s, 16 s, then every 30 s, each spread by ±20 %, without end: being offline is normal. */
const pauseFirstMillis = 1000
const pauseMaxMillis = 30_000
export const pauseAfter = (tries: number, chance: number): number => Math.min(pauseMaxMillis, tries >= 5 ? Infinity : pauseFirstMillis * 2 ** tries) * (0.8 + 0.4 * chance)

interface Looping {
  readonly platform: Platform
  readonly sides: () => Promise<ReadonlyArray<SideName>>
  readonly sync: (side: SideName, signal: AbortSignal) => Promise<SideSynced>
}

/** Waiting that ends with `ended`. `wake` cuts it short, but not what the other side asked for. */
export const makePauses = (platform: Platform, ended: AbortSignal) => {
  let woken = new AbortController()
  return {
    hold: async ({ heldMillis, nextMillis }: { readonly heldMillis: number; readonly nextMillis: number }): Promise<void> => {
      if (heldMillis > 0) await platform.sleep(heldMillis, ended)
      if (nextMillis > heldMillis) await platform.sleep(nextMillis - heldMillis, AbortSignal.any([ended, woken.signal]))
    },
    wake: (): void => {
      const before = woken
      woken = new AbortController()
      before.abort()
    }
  }
}

/** Sync each side for ever, each at its own pace: one that is down does not hold up the other. */
export const keepSyncing = ({ platform, sides, sync }: Looping) => {
  const ended = new AbortController()
  // a write, or the network coming back, cuts them short
  const { hold, wake } = makePauses(platform, ended.signal)
  const run = async (side: SideName): Promise<void> => {
    for (let tries = 0; !ended.signal.aborted;) {
      let wait: Pick<SideSynced, "nextMillis" | "heldMillis">
      try {
        wait = await sync(side, ended.signal)
        tries = 0
      } catch (cause) {
        wait = { heldMillis: cause instanceof MaestraError ? cause.retryMillis : 0, nextMillis: pauseAfter(tries++, platform.random()) }
      }
      await hold(wait)
    }
  }
  const running = sides().then((all) => Promise.all(all.map(run)))
  return {
    wake,
    stop: async () => {
      ended.abort()
      await running.catch(() => undefined)
    }
  }
}
