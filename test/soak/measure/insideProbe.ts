import { Effect, Fiber } from "effect"
import { renameSync, writeFileSync } from "node:fs"
import { getActiveResourcesInfo, memoryUsage } from "node:process"
import { queryObjects } from "node:v8"

/**
 * Loaded into a backend's process by `--import`: what only the process itself knows, written to the file
 * `MAESTRA_PROBE_FILE` names, every `MAESTRA_PROBE_EVERY_MS`. The backend knows nothing of it.
 *
 * Fibers are counted in the heap, after a full collection: every one that something still holds, running, suspended or
 * ended, whoever started it. The heap is measured at the same moment, so that it holds only what is in use.
 */
const file = process.env["MAESTRA_PROBE_FILE"]
const everyMs = Number(process.env["MAESTRA_PROBE_EVERY_MS"] ?? 30_000)

if (file !== undefined) {
  const one = Effect.runFork(Effect.void)
  const fiberClass = one.constructor
  if (!Fiber.isFiber(one) || typeof fiberClass !== "function") throw new Error("Effect.runFork gave something that is no fiber")
  setInterval(() => {
    const fibers = Number(queryObjects(fiberClass))
    const { arrayBuffers, external, heapTotal, heapUsed } = memoryUsage()
    writeFileSync(`${file}.partial`, JSON.stringify({ fibers, heapUsed, heapTotal, external, arrayBuffers, handles: getActiveResourcesInfo().length }))
    renameSync(`${file}.partial`, file)
  }, everyMs).unref()
}
