import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"

// A third of the start-up time. In our own folder: a cache in the shared /tmp could be somebody else's code.
enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/maestra", import.meta.url)))

const { run } = await import("./run.ts")
run()
