import { randomUUID } from "node:crypto"
import { counted, listed } from "../telemetry.ts"
import { type Backend, until } from "../world.ts"
import type { Stage } from "./stage.ts"

/** Telemetry that is emitted at every backend all the time. */
export interface Measuring {
  readonly acked: ReadonlySet<string>
  /** No more; returns what is wrong once all that was acknowledged had time to arrive: missing, or there twice. */
  readonly judge: () => Promise<ReadonlyArray<string>>
}

const usualEveryMs = 200
/** A minute's worth has to come through a tight limit. */
const arriveMs = 120_000
const type = "fault run"

export const startMeasuring = (stage: Stage, everyMs = usualEveryMs): Measuring => {
  const acked = new Set<string>()
  let over = false
  const emit = async (backend: Backend) => {
    while (!over) {
      await new Promise((wait) => setTimeout(wait, everyMs))
      if (!backend.running()) continue
      const event_id = randomUUID()
      const answer = await fetch(`${backend.url()}/telemetry`, {
        method: "POST",
        headers: { authorization: `Bearer ${stage.bearerFor(backend)}`, "content-type": "application/json" },
        body: JSON.stringify({ event_type: type, event_id }),
        signal: AbortSignal.timeout(10_000)
      }).then(async (response) => response.ok ? await response.text() : "", () => "")
      if (answer.includes("\"acked\"")) acked.add(event_id)
    }
  }
  const emitting = stage.all.map(emit)
  return {
    acked,
    judge: async () => {
      over = true
      await Promise.all(emitting)
      const { hub, tenant } = stage
      let ids: ReadonlyArray<string> = []
      const missing = () => {
        const there = new Set(ids)
        return [...acked].filter((id) => !there.has(id))
      }
      await until(async () => {
        if (await counted(hub, tenant, type).catch(() => 0) < acked.size) return false
        ids = (await listed(hub, `/telemetry?tenant=${tenant}&type=${encodeURIComponent(type)}&limit=500`)).map(({ event_id }) => event_id)
        return missing().length === 0
      }, arriveMs).catch(() => {})
      const distinct = new Set(ids).size
      // asked after the list: what came in between is in both
      const rolled = await counted(hub, tenant, type).catch(() => Number.NaN)
      return [
        ...missing().slice(0, 3).map((id) => `telemetry event ${id} was acknowledged and is not stored (${missing().length} of ${acked.size})`),
        ...(distinct === ids.length ? [] : [`${ids.length - distinct} telemetry events are stored twice`]),
        ...(rolled === distinct ? [] : [`${distinct} telemetry events are stored, and ${rolled} are counted`])
      ]
    }
  }
}
