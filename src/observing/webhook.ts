import { Duration, Effect, Schedule, Schema } from "effect"
import { lookup } from "node:dns"
import { request as plainRequest } from "node:http"
import { request as tlsRequest } from "node:https"
import { BlockList, isIP, type LookupFunction } from "node:net"
import type { Alert } from "../../streams/alerts.ts"
import { alertmanagerBody } from "./alertmanager.ts"

/** The webhook took none of it. It is tried again for an hour; ALERTS and the log have it anyway. */
class NotTaken extends Schema.TaggedError<NotTaken>()("NotTaken", { why: Schema.String }) {}

export interface WebhookOptions {
  /** From the start-up settings, and from nowhere else. */
  readonly url: URL
  /** Where this backend is, for the person who reads the alert. */
  readonly generatorUrl: string
  /** Addresses of this machine and of private networks may be called: on local always, on hosted when told. */
  readonly mayBePrivate: boolean
}

/** Alerts to somebody else's program, in the format of Alertmanager's API v2. */
export interface Webhook {
  /** Returns once they were taken, or given up. */
  readonly send: (alerts: ReadonlyArray<Alert>) => Effect.Effect<void>
}

const patience = Duration.seconds(10)
const retries = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(Schedule.jittered, Schedule.upTo({ duration: "1 hour" }))

export const makeWebhook = (options: WebhookOptions): Webhook => ({
  send: (alerts) =>
    alerts.length === 0 ? Effect.void : post(options, JSON.stringify(alertmanagerBody(alerts, options.generatorUrl))).pipe(
      Effect.retry(retries),
      Effect.catchTag("NotTaken", ({ why }) => Effect.logError("the alert webhook takes nothing", { host: options.url.host, why, alerts: alerts.length })))
})

const post = ({ mayBePrivate, url }: WebhookOptions, body: string) =>
  Effect.callback<void, NotTaken>((resume) => {
    const fail = (why: string) => resume(Effect.fail(new NotTaken({ why })))
    // an address in the URL is not looked up
    const host = url.hostname.replace(/^\[|\]$/g, "")
    if (!mayBePrivate && isIP(host) !== 0 && isPrivate(host)) return fail("a private address")
    const send = url.protocol === "https:" ? tlsRequest : plainRequest
    const sent = send(url, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      timeout: Duration.toMillis(patience),
      agent: false,
      ...(mayBePrivate ? {} : { lookup: publicOnly })
    }, (response) => {
      response.resume()
      const { statusCode = 0 } = response
      // a redirect is no answer: it would lead where nobody said
      if (statusCode >= 200 && statusCode < 300) resume(Effect.void)
      else fail(`it answered ${statusCode}`)
    })
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")))
    sent.on("error", (error) => fail(error.message))
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })

/** Resolves a name for the connection that is about to be made, so what was judged is what is called. */
const publicOnly: LookupFunction = (hostname, options, callback) =>
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, [])
    const inside = addresses.find(({ address }) => isPrivate(address))
    if (inside !== undefined) return callback(Object.assign(new Error("the name leads to a private address"), { code: "EACCES" }), [])
    if (options.all === true) callback(null, addresses)
    else callback(null, addresses[0]!.address, addresses[0]!.family)
  })

const inside = new BlockList()
for (const [network, prefix] of [["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16], ["172.16.0.0", 12], ["192.0.0.0", 24], ["192.168.0.0", 16], ["198.18.0.0", 15], ["224.0.0.0", 3]] as const) inside.addSubnet(network, prefix)
for (const [network, prefix] of [["::", 127], ["64:ff9b::", 96], ["fc00::", 7], ["fe80::", 10], ["ff00::", 8]] as const) inside.addSubnet(network, prefix, "ipv6")

/** An address of this machine, of a private network, or of nobody. An IPv4 address inside an IPv6 one counts as itself. */
export const isPrivate = (address: string): boolean => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  const bare = mapped ?? address
  return isIP(bare) === 4 ? inside.check(bare) : inside.check(bare, "ipv6")
}
