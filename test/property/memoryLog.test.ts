// Goal: tests that use the log in memory test against what the real one does.
// Method: the suite both run.
import { makeMemoryLog } from "../../src/nats/memoryLog.ts"
import { Effect } from "effect"
import { eventLogSuite } from "../support/suites/eventLog.ts"

eventLogSuite("memory log", (options) => Effect.map(makeMemoryLog("MEMORY", options), (log) => ({ log, openCursor: log.openCursor })))
