// Goal: tests that use the bucket in memory test against what the real one does.
// Method: the suite both run.
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { keyValueSuite } from "../support/suites/keyValue.ts"

keyValueSuite("memory bucket", makeMemoryKeyValue("MEMORY"))
