import { Effect } from "effect"
import { parseArgs } from "node:util"
import { decoders } from "../support/fuzz/decoders.ts"
import { fuzzRequests } from "../support/fuzz/requests.ts"
import { fuzz } from "../support/fuzz/run.ts"
import { makeRig, secret } from "../support/gatewayRig.ts"

/**
 * `npm run fuzz -- [--inputs N] [--requests N] [--seed S]`: a million inputs through every decoder, and 20,000 requests to
 * a gateway of each side. Exit 1 names the seeds of what failed; memory is measured after a collection where node is run with `--expose-gc`.
 */
const { values } = parseArgs({ options: { inputs: { type: "string", default: "1000000" }, requests: { type: "string", default: "20000" }, seed: { type: "string" } } })
const [inputs, requests] = [Number(values.inputs), Number(values.requests)]
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)

const mib = () => {
  globalThis.gc?.()
  return Math.round(process.memoryUsage().heapUsed / 2 ** 20)
}

console.log(`seed ${seed}: ${inputs} inputs for ${decoders.length} decoders`)
fuzz(Math.min(20_000, inputs), seed)
const before = mib()
const began = performance.now()
const { accepted, failures, slowestMillis } = fuzz(inputs, seed, (done) => {
  if (done % 100_000 === 0) console.log(`${done} of ${inputs}, heap ${mib()} MiB`)
})
const after = mib()
console.log(JSON.stringify({ inputs, accepted, seconds: Math.round((performance.now() - began) / 1000), slowest_ms: Math.round(slowestMillis), heap_mib: [before, after] }))

for (const side of ["local", "hosted"] as const) {
  const asked = await Effect.runPromise(Effect.scoped(Effect.flatMap(makeRig({ side }), ({ url }) => Effect.promise(() => fuzzRequests({ url, token: secret, requests, seed })))))
  console.log(JSON.stringify({ side, requests, statuses: asked.statuses }))
  failures.concat(asked.failures).forEach((failure) => console.error(failure))
  if (asked.failures.length > 0) process.exitCode = 1
}
if (failures.length > 0 || after > before + 100) process.exitCode = 1
