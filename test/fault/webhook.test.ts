// Goal: alerts reach Alertmanager's API once, through failures, and never an address that nobody named.
// Method: a real HTTP server that fails, redirects and answers; private addresses in every way of writing them.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { createServer } from "node:http"
import { isPrivate, makeWebhook } from "../../src/observing/webhook.ts"
import type { Alert } from "../../streams/alerts.ts"

const alert: Alert = {
  id: "sync_lag-peer_0123456789abcdef-x", kind: "sync_lag", severity: "warning", status: "firing", tenant: null, subject: "peer_0123456789abcdef", value: 301, threshold: 300,
  summary: "not in step", todo: "see debug", raised_at: "2026-11-22T10:00:00.000Z", resolved_at: null, silenced_until: null
}

/** A receiver that answers the given statuses in turn, then 200. */
const receiver = (statuses: ReadonlyArray<number>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: URL; readonly bodies: Array<string>; readonly close: () => void }>((resume) => {
      const bodies: Array<string> = []
      const left = [...statuses]
      const server = createServer((request, response) => {
        let text = ""
        request.setEncoding("utf8").on("data", (part: string) => text += part).on("end", () => {
          const status = left.shift() ?? 200
          if (status === 200) bodies.push(text)
          response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end()
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: new URL(`http://127.0.0.1:${port}/api/v2/alerts`), bodies, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close))

describe("the webhook", () => {
  it.live("tries again until it is taken, and follows no redirect", () =>
    Effect.gen(function*() {
      const { bodies, url } = yield* receiver([500, 302])
      yield* makeWebhook({ url, generatorUrl: "http://127.0.0.1:8826", mayBePrivate: true }).send([alert, { ...alert, status: "resolved", resolved_at: "2026-11-22T10:05:00.000Z" }])
      assert.strictEqual(bodies.length, 1)
      const told = JSON.parse(bodies[0]!) as ReadonlyArray<{ readonly labels: Record<string, string>; readonly annotations: Record<string, string>; readonly startsAt: string; readonly endsAt: string }>
      assert.deepStrictEqual(told[0]!.labels, { alertname: "sync_lag", severity: "warning", subject: "peer_0123456789abcdef" })
      assert.deepStrictEqual([told[0]!.startsAt, told[1]!.endsAt], ["2026-11-22T10:00:00.000Z", "2026-11-22T10:05:00.000Z"])
      assert.isAbove(Date.parse(told[0]!.endsAt), Date.parse("2027-01-01"))
      assert.strictEqual(told[0]!.annotations["description"], "see debug")
    }))

  it.live("calls no private address unless told, by number or by name", () =>
    Effect.gen(function*() {
      const { bodies, url } = yield* receiver([])
      for (const host of ["127.0.0.1", "localhost"]) {
        const inside = new URL(url)
        inside.hostname = host
        const sending = yield* Effect.forkChild(makeWebhook({ url: inside, generatorUrl: "", mayBePrivate: false }).send([alert]))
        yield* Effect.sleep("300 millis")
        yield* Fiber.interrupt(sending)
      }
      assert.deepStrictEqual(bodies, [])
    }))

  it.each(["127.0.0.1", "10.1.2.3", "172.31.255.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "::", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "::ffff:a00:1", "64:ff9b::a00:1", "255.255.255.255"])("%s is private", (address) => assert.isTrue(isPrivate(address)))
  it.each(["1.1.1.1", "172.32.0.1", "193.168.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])("%s is not", (address) => assert.isFalse(isPrivate(address)))
})
