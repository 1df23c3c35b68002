import { getActiveResourcesInfo, memoryUsage } from "node:process"
import { renameSync, writeFileSync } from "node:fs"

/**
 * Loaded into a backend's process by `--import`: what only the process itself knows of its memory and of what it
 * holds open, written to the file `MAESTRA_PROBE_FILE` names, every two seconds. The backend knows nothing of it.
 */
const file = process.env["MAESTRA_PROBE_FILE"]
const everyMs = 2000

if (file !== undefined) {
  setInterval(() => {
    const { arrayBuffers, external, heapTotal, heapUsed } = memoryUsage()
    writeFileSync(`${file}.partial`, JSON.stringify({ heapUsed, heapTotal, external, arrayBuffers, handles: getActiveResourcesInfo().length }))
    renameSync(`${file}.partial`, file)
  }, everyMs).unref()
}
