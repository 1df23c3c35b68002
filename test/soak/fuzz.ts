import { Effect } from "effect"
import { decoders } from "../support/fuzz/decoders.ts"
import { fuzzRequests } from "../support/fuzz/requests.ts"
import { fuzz } from "../support/fuzz/run.ts"
import { makeRig, secret } from "../support/gatewayRig.ts"
import { flagsOf, say, stopsOnSignals, tell } from "../support/script.ts"

/**
 * `npm run fuzz`: a million inputs through every decoder, and 20,000 requests to a gateway of each side. Memory is measured
 * after a collection where node is run with `--expose-gc`.
 */
const { inputs, out, requests, ...given } = flagsOf("fuzz", "Damaged and invented inputs for everything that reads what a stranger sends. Exit code 1 names the seeds of what failed.", {
  inputs: { default: 1_000_000, value: "N", says: "for the decoders" },
  requests: { default: 20_000, value: "N", says: "for the gateway of each side" },
  seed: { default: null, value: "N", says: "of all of them; by the time of day without" },
  out: { default: null, value: "FILE", says: "write the result there too" }
})
const seed = given.seed === undefined ? Date.now() % 2 ** 31 : Number(given.seed)
stopsOnSignals({ close: () => Promise.resolve() })

const mib = () => {
  globalThis.gc?.()
  return Math.round(process.memoryUsage().heapUsed / 2 ** 20)
}

say(`seed ${seed}: ${inputs} inputs for ${decoders.length} decoders`)
fuzz(Math.min(20_000, inputs), seed)
const before = mib()
const began = performance.now()
const { accepted, failures, slowestMillis } = fuzz(inputs, seed, (done) => {
  if (done % 100_000 === 0) say(`${done} of ${inputs}, heap ${mib()} MiB`)
})
const after = mib()
const seconds = Math.round((performance.now() - began) / 1000)

const sides: Record<string, unknown> = {}
const asked = [...failures]
for (const side of ["local", "hosted"] as const) {
  say(`${requests} requests to the gateway of ${side}`)
  const told = await Effect.runPromise(Effect.scoped(Effect.flatMap(makeRig({ side }), ({ url }) => Effect.promise(() => fuzzRequests({ url, token: secret, requests, seed })))))
  sides[side] = told.statuses
  asked.push(...told.failures)
}
for (const failure of asked) say(String(failure))
tell({ seed, inputs, accepted, seconds, slowest_ms: Math.round(slowestMillis), heap_mib: [before, after], requests, statuses: sides, failures: asked.length }, out)
process.exitCode = asked.length > 0 || after > before + 100 ? 1 : 0
