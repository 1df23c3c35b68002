import { v7 } from "uuid"
import { telemetryGate } from "../../privacy/telemetryGate.ts"
import type { Settings } from "../../../streams/events/settings.ts"
import { telemetryEventMaxBytes } from "../../../streams/limits.ts"
import type { TelemetryEvent } from "../../../streams/telemetry.ts"
import { isoTime } from "../../../streams/time.ts"
import { utf8 } from "../../security/portable/bytes.ts"
import type { SideName, TelemetryDraft } from "./api.ts"
import { bookLock, erasedIn, isGone } from "./erased.ts"
import type { Names } from "./Names.ts"
import type { Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"
import type { Entry, Storage } from "./storage.ts"

/** An event that no backend has acknowledged. */
interface Waiting {
  readonly event: TelemetryEvent
  /**
   * The side it was first offered to, and so the only one it ever goes to: the two sides count it under different peers,
   * and an answer that got lost must not make it count twice.
   */
  readonly side?: SideName
}

/** An event as it may leave, and where it waits. */
export interface Outgoing {
  readonly key: string
  readonly text: string
}

/** Events that wait at once; beyond, the oldest are let go: telemetry may be lost, and stands in nobody's way. */
const waitingMax = 1000
/** Looked at once in so many events: looking costs a reading of all that wait. */
const trimEvery = 32
const prefix = "telemetry/"
const lock = "telemetry"

/** Telemetry as it waits, over the surface's storage: it survives a reload, and every tab may add to it. */
export class TelemetryQueue {
  readonly #storage: Storage
  readonly #platform: Platform
  readonly #about: { readonly sourceBackend: string; readonly surface: string }
  #added = 0
  #refused = 0

  constructor(storage: Storage, platform: Platform, about: { readonly sourceBackend: string; readonly surface: string }) {
    this.#storage = storage
    this.#platform = platform
    this.#about = about
  }

  async add(draft: TelemetryDraft): Promise<string> {
    const event: TelemetryEvent = {
      event_id: v7(), session_id: "", timestamp: isoTime(this.#platform.now()), source_backend: this.#about.sourceBackend,
      ...draft,
      metadata: { surface: this.#about.surface, ...draft.metadata }
    }
    const why = event.event_type === "" ? "its event_type is empty" : utf8(JSON.stringify(event)).length > telemetryEventMaxBytes ? `it is larger than ${telemetryEventMaxBytes} bytes` : undefined
    if (why !== undefined) throw new MaestraError("refused", `the telemetry event was not kept: ${why}`, { hint: "Mend the event." })
    await this.#storage.alone(bookLock, async () => {
      const erased = await erasedIn(this.#storage)
      if (erased !== undefined) throw isGone(erased)
      await this.#storage.write([[`${prefix}${v7()}`, { event } satisfies Waiting]])
    })
    if (this.#added++ % trimEvery === 0) await this.#trim()
    return event.event_id
  }

  async status(): Promise<{ readonly waiting: number; readonly refused: number }> {
    return { waiting: (await this.#storage.list(prefix)).length, refused: this.#refused }
  }

  /** Whether anything waits for a side. `takesNew`: whether events no side was offered yet may go there. */
  async hasFor(side: SideName, takesNew: boolean): Promise<boolean> {
    return (await this.#storage.list(prefix)).some(([, value]) => isFor(value as Waiting, side, takesNew))
  }

  /**
   * The next events for a side, gated by the settings, marked as this side's before they leave. What the settings keep here
   * for good is let go.
   */
  claim(side: SideName, settings: Settings, names: Names, about: { readonly takesNew: boolean; readonly max: number }): Promise<ReadonlyArray<Outgoing>> {
    return this.#storage.alone(lock, async () => {
      const mine = (await this.#storage.list(prefix)).map(([key, value]) => [key, value as Waiting] as const)
        .filter(([, waiting]) => isFor(waiting, side, about.takesNew)).slice(0, about.max)
      await names.learn(mine.map(([, { event }]) => event.event_id))
      const changes: Array<Entry> = []
      const outgoing: Array<Outgoing> = []
      for (const [key, waiting] of mine) {
        const verdict = telemetryGate({ event: waiting.event, settings, shareId: names.of })
        if (verdict._tag === "stop") break
        if (verdict._tag === "withhold") changes.push([key, undefined])
        else {
          if (waiting.side === undefined) changes.push([key, { ...waiting, side } satisfies Waiting])
          outgoing.push({ key, text: JSON.stringify(verdict.event) })
        }
      }
      if (changes.length > 0) await this.#storage.write(changes)
      return outgoing
    })
  }

  /** A backend has it, or will never have it. */
  async settle({ key }: Outgoing, outcome: "stored" | "refused"): Promise<void> {
    if (outcome === "refused") this.#refused++
    await this.#storage.write([[key, undefined]])
  }

  #trim(): Promise<void> {
    return this.#storage.alone(lock, async () => {
      const all = await this.#storage.list(prefix)
      if (all.length > waitingMax) await this.#storage.write(all.slice(0, all.length - waitingMax).map(([key]) => [key, undefined]))
    })
  }
}

const isFor = (waiting: Waiting, side: SideName, takesNew: boolean): boolean => waiting.side === side || (waiting.side === undefined && takesNew)
