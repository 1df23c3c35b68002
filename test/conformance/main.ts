import { parseArgs } from "node:util"
import { cases } from "./cases.ts"
import { Client } from "./Client.ts"

// Holds the backend at a URL to docs/PROTOCOL.md: npm run conformance -- --url http://127.0.0.1:8826 --code maestra-…
const { values } = parseArgs({ options: { url: { type: "string" }, code: { type: "string" }, platform: { type: "string", default: "ios" } } })
if (values.url === undefined || values.code === undefined) {
  console.error("npm run conformance -- --url URL --code CODE [--platform ios]\n\nCODE: of `maestra hosted enroll USER` for a hosted backend, of `maestra local open` for a local one. Good once.")
  process.exit(2)
}

const client = await Client.make(values.url.replace(/\/+$/, ""), values.code, values.platform)
let failed = 0
for (const { name, run } of cases) {
  try {
    await run(client)
    console.log(`ok    ${name}`)
  } catch (cause) {
    failed++
    console.log(`FAIL  ${name}\n      ${cause instanceof Error ? cause.message.replaceAll("\n", "\n      ") : String(cause)}`)
  }
}
console.log(`${cases.length - failed} of ${cases.length} cases as ${client.identity.backend_id.slice(0, 24)}…`)
process.exitCode = failed === 0 ? 0 : 1
