import { readFileSync } from "node:fs"
import { bent, type Dice, diceOf } from "./inputs.ts"

interface Operation {
  readonly method: string
  readonly path: string
}

const contract = JSON.parse(readFileSync(new URL("../../golden/openapi.json", import.meta.url), "utf8")) as { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
/** A stream without an end, and a work that breaks off in this backend, as one may: that cuts the answer. */
const leftOut = new Set(["/events", "/rebuild"])
const operations: ReadonlyArray<Operation> = Object.entries(contract.paths)
  .filter(([path]) => !leftOut.has(path))
  .flatMap(([path, methods]) => Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })))

const words = ["c-1", "t_abcdefghijklmnop", "peer_0123456789abcdef", "%00", "..%2f..", "%", "%ff", "😀", "a".repeat(5000), "-1", "1e99", "NaN", "null", "", "*", ">", "__proto__", "true"]
const bodies: ReadonlyArray<unknown> = [
  { role: "user", content: "x", id: "m" }, { title: "t" }, { code: "maestra-x" }, { user: "ada" }, { redact_pii: true, retention_days: 3 },
  { backend_identity: {}, sbt: "x", proof: "y" }, { sync_id: "s", timestamp: "2026-11-22T10:00:00.000Z", conversations: [], signature: "x" },
  { event_id: "e", event_type: "capture", session_id: "s", timestamp: "2026-11-22T10:00:00.000Z", source_backend: "local", metadata: {} },
  { question: "why" }, { name: "n", scope: "read" }, { tenant: "t_abcdefghijklmnop", days: 3 }
]
const queries = ["tenant", "limit", "cursor", "from", "wait", "timeout_ms", "subject", "surface", "challenge", "cause", "since", "type"]
const headersToTry = ["if-match", "last-event-id", "traceparent", "maestra-proof", "content-type", "sec-websocket-protocol", "range", "content-encoding"]

const answerMillisMax = 10_000

/** Send random requests to a running gateway; what no caller may cause is named: an answer of 500, or none. */
export const fuzzRequests = async (options: { readonly url: string; readonly token: string; readonly requests: number; readonly seed: number }) => {
  const failures: Array<string> = []
  const statuses: Record<number, number> = {}
  for (let n = 0; n < options.requests && failures.length < 10; n++) {
    const dice = diceOf(options.seed + n)
    const { init, path } = requestOf(dice, options.token)
    const told = `seed ${options.seed + n}: ${init.method} ${path.slice(0, 120)}`
    try {
      const response = await fetch(`${options.url}${path}`, { ...init, signal: AbortSignal.timeout(answerMillisMax) })
      await response.arrayBuffer()
      statuses[response.status] = (statuses[response.status] ?? 0) + 1
      if (response.status === 500) failures.push(`${told}: 500`)
    } catch (cause) {
      // an answer that is cut in its middle is how a stream says that it broke off
      if (!(cause instanceof TypeError && cause.message === "terminated")) failures.push(`${told}: ${String(cause)}`)
    }
  }
  return { failures, statuses }
}

const requestOf = (dice: Dice, token: string) => {
  const { method, path } = dice.pick(operations)
  const filled = path.replace(/\{[^}]+\}/g, () => dice.pick(words).replace(/[^\x21-\x7e]|[?#]/gu, encodeURIComponent))
  const query = Array.from({ length: dice.roll(3) }, () => `${dice.pick(queries)}=${encodeURIComponent(dice.pick(words))}`).join("&")
  const headers: Record<string, string> = dice.roll(10) === 0 ? {} : { authorization: `Bearer ${token}` }
  if (dice.roll(3) === 0) headers[dice.pick(headersToTry)] = dice.pick(words).replace(/[^\x20-\x7e]/gu, "?")
  const body = method === "GET" || method === "HEAD" ? {} : { body: dice.roll(5) === 0 ? String(dice.pick(words)) : JSON.stringify(bent(dice, dice.pick(bodies))) ?? "" }
  return { path: `${filled}${query === "" ? "" : `?${query}`}`, init: { method, headers, ...body } }
}
