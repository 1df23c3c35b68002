// Goal: tests that use the log in memory test against what the real one does.
// Method: the suite both run.
import { makeMemoryLog, openMemoryLog } from "../../src/nats/memoryLog.ts"
import { emptyImage, makeMemoryStore } from "../../src/nats/memoryStore.ts"
import { Clock, Effect } from "effect"
import { eventLogSuite } from "../support/suites/eventLog.ts"

/** As the simulation uses it: the store apart from the log, answers that take time, news that comes later. */
const apart = (options: { readonly sizeMaxBytes?: number }) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const store = makeMemoryStore("MEMORY", emptyImage(now), options)
    const log = openMemoryLog(store, { answer: Effect.sleep("1 millis"), wake: (resume) => void setTimeout(resume, 1) })
    return { log, openCursor: log.openCursor }
  })

eventLogSuite("memory log whose answers take time", apart)
eventLogSuite("memory log", (options) => Effect.map(makeMemoryLog("MEMORY", options), (log) => ({ log, openCursor: log.openCursor })))
