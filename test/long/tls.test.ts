// Goal: between machines nothing is said in plain text, to nobody who cannot prove who they are, and certificates are renewed under what is open.
// Method: real certificates of `maestra hosted certs`, of another authority and expired ones, on a hosted backend and locals that trust and do not.
import { createPrivateKey } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { get, type IncomingMessage } from "node:http"
import { request } from "node:https"
import { connect } from "node:net"
import { join } from "node:path"
import { connect as connectTls, type TLSSocket } from "node:tls"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { issueCertificate, makeAuthority } from "../../src/security/certificates.ts"
import { toBase64url } from "../../src/security/digest.ts"
import { encodePairingCode } from "../../src/security/pairingCode.ts"
import { statusOf } from "../support/linked.ts"
import { freePort } from "../support/natsServer.ts"
import { startTlsProxy } from "../support/tlsProxy.ts"
import { agreed, type Backend, maestra, makeWorld, run, until, type World } from "../support/world.ts"

const timeout = 120_000
const day = 86_400_000

let world: World
let hosted: Backend
let trusting: Backend
let tenant: string
let ca: string
let files: { readonly ca: string; readonly cert: string; readonly key: string }

beforeAll(async () => {
  world = await makeWorld()
  const home = join(world.dir, "hosted")
  const made = await run([maestra, "hosted", "certs", "--json"], { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: home })
  expect(made.code, made.err).toBe(0)
  const { ca_file, cert_file, key_file } = JSON.parse(made.out)
  files = { ca: ca_file, cert: cert_file, key: key_file }
  ca = readFileSync(files.ca, "utf8")
  hosted = await world.hosted("hosted", { args: ["--tls-cert", files.cert, "--tls-key", files.key] })
  trusting = await world.local("trusting", { args: ["--ca", files.ca] })
  tenant = await world.pair(hosted, trusting)
}, timeout)
afterAll(() => world.close())

const publicPort = async (): Promise<number> => Number(new URL((await hosted.http<{ readonly public_url: string }>("GET", "/status")).json.public_url).port)

/** The serial number of the certificate that a client which trusts only `authority` is shown; or why it hangs up. */
const shownAt = (port: number, authority: string, upgrading: boolean): Promise<string> =>
  new Promise((done) => {
    const ask = (socket?: ReturnType<typeof connect>) => {
      const secure: TLSSocket = connectTls({ host: "localhost", servername: "localhost", port, ca: authority, ...(socket === undefined ? {} : { socket }) }, () => {
        done(secure.getPeerCertificate().serialNumber)
        secure.destroy()
      })
      secure.once("error", (error: NodeJS.ErrnoException) => done(String(error.code)))
    }
    if (!upgrading) return ask()
    // a leaf node's server speaks first, in the clear, and then changes over
    const plain = connect(port, "localhost")
    plain.once("data", () => ask(plain))
  })

const renewed = (validity: readonly [number, number], authority = { name: "maestra development", privateKey: createPrivateKey(readFileSync(join(files.ca, "../ca.key"))) }) => {
  const { cert, key } = issueCertificate(authority, ["localhost"], validity)
  writeFileSync(files.key, key)
  writeFileSync(files.cert, cert)
}

describe("TLS", () => {
  it("carries pairing and the link for whoever trusts the authority, and nothing for others", { timeout }, async () => {
    expect((await statusOf(trusting)).hosted_url).toMatch(/^https:\/\/localhost:/)
    expect(readFileSync(join(trusting.dir, "nats/infra/leaf/instance.conf"), "utf8")).toContain(`"tls://localhost:`)
    await trusting.http("POST", "/conversations/c/messages", { role: "user", content: "over TLS" })
    await agreed(tenant, hosted, [trusting])
    const another = makeAuthority("another", [Date.now() - day, Date.now() + day])
    writeFileSync(join(world.dir, "another.crt"), another.cert)
    const doubting = await world.local("doubting", { args: ["--ca", join(world.dir, "another.crt")] })
    const { json: { code } } = await hosted.http("POST", "/enroll", { user: "ada" })
    const refused = await doubting.http("POST", "/pair", { code })
    expect([refused.status, refused.json.type]).toEqual([503, "urn:maestra:problem:not-reachable"])
    expect(await shownAt(await publicPort(), another.cert, false)).toMatch(/UNABLE_TO|SELF_SIGNED|UNABLE_TO_VERIFY/)
  })

  it("is a proxy's where there is one in front: local backends link through it as WebSockets", { timeout }, async () => {
    const [inFront, webSocket] = [await Effect.runPromise(freePort), await Effect.runPromise(freePort)]
    const behind = await world.hosted("behind", { args: ["--public-url", `https://localhost:${inFront}`, "--leaf-ws-port", String(webSocket)] })
    const proxy = await startTlsProxy(inFront, { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8") }, (path) => path === "/leafnode" ? webSocket : Number(new URL(behind.url()).port))
    try {
      const local = await world.local("through-a-proxy", { args: ["--ca", files.ca] })
      const theirs = await world.pair(behind, local, "bea")
      expect(readFileSync(join(local.dir, "nats/infra/leaf/instance.conf"), "utf8")).toContain(`"wss://localhost:${inFront}"`)
      await local.http("POST", "/conversations/c/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "through the proxy" })
      await agreed(theirs, behind, [local])
    } finally {
      proxy.stop()
    }
  })

  it("refuses plain text over the network unless both sides were told to", { timeout }, async () => {
    const home = join(world.dir, "plain")
    await Promise.all([["--host", "0.0.0.0"], ["--leaf-host", "0.0.0.0"], ["--public-url", "http://sync.example.org"], ["--tls-cert", files.cert]].map(async (args) => {
      const ran = await run([maestra, "hosted", "up", "--port", "0", "--nats-port", "0", "--leaf-port", "0", ...args], { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: home })
      expect([ran.code, args], ran.err).toEqual([2, args])
    }))
    const far = encodePairingCode({ url: "http://192.0.2.1:8826", fingerprint: toBase64url(new Uint8Array(32)), userId: "ada", secret: Redacted.make(new Uint8Array(32)) })
    const unpaired = await trusting.http("POST", "/pair", { code: far })
    expect([unpaired.status, unpaired.json.type]).toEqual([400, "urn:maestra:problem:plain-text"])
  })

  it("takes up a renewed certificate under open streams and links, and shows an expired one to nobody's harm but its own", { timeout }, async () => {
    const port = await publicPort()
    const places = [[port, false], [world.leafPort(hosted), true]] as const
    const seen = () => Promise.all(places.map(([at, upgrading]) => shownAt(at, ca, upgrading)))
    const before = await seen()
    expect(before[0]).toBe(before[1])
    // a stream on this machine's own port, and one through TLS
    const token = readFileSync(join(hosted.dir, "admin-token"), "utf8").trim()
    const heard: Array<string> = []
    let closed = 0
    const listen = (response: IncomingMessage) => response.setEncoding("utf8").on("data", (text: string) => heard.push(text)).on("close", () => closed++)
    const path = `/events?from=now&tenant=${tenant}`
    const headers = { authorization: `Bearer ${token}` }
    const open = [request({ host: "localhost", port, path, headers, ca }, listen), get(`${hosted.url()}${path}`, { headers }, listen)]
    open[0]!.end()
    await until(() => heard.length >= 2, 10_000)

    renewed([Date.now() - day, Date.now() + 30 * day])
    await until(async () => (await seen()).every((serial) => serial !== before[0] && /^[0-9A-F]+$/.test(serial)), 30_000, () => hosted.log().slice(-2000))
    await trusting.http("POST", "/conversations/c/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "after the renewal" })
    await until(() => heard.filter((text) => text.includes("after the renewal")).length === 2, 10_000)
    expect(closed).toBe(0)
    for (const one of open) one.destroy()

    renewed([Date.now() - 2 * day, Date.now() - day])
    await until(async () => (await seen()).every((why) => why === "CERT_HAS_EXPIRED"), 30_000, () => hosted.log().slice(-2000))
    // what stands goes on, and comes back once the certificate is good again
    await trusting.http("POST", "/conversations/c/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "on the link that stood" })
    await agreed(tenant, hosted, [trusting])
    renewed([Date.now() - day, Date.now() + 30 * day])
    await until(async () => (await seen()).every((serial) => /^[0-9A-F]+$/.test(serial)), 30_000)
  })
})
