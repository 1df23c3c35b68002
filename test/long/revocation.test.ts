// Goal: what is revoked is out of every hosted process within a second, on every path; the person at a revoked machine is told and keeps everything; a tool is cut off.
// Method: two hosted processes, one of them without the admin role, which is asked; a device whose keys the test knows on all its paths at once; a real machine with a tool and its web app open. Every path's milliseconds are printed.
import { type Authenticator, connect, credsAuthenticator, type NatsConnection, nkeyAuthenticator } from "@nats-io/transport-node"
import { Effect, Exit, Scope } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { AuditEntry } from "../../streams/Audit.ts"
import { subjects } from "../../streams/subjects.ts"
import { frame } from "../../src/security/commit.ts"
import { opaqueId } from "../../src/security/opaqueId.ts"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { isMissing, startBrowser } from "../support/browser.ts"
import { rawLeaf } from "../support/rawLeaf.ts"
import { enrol, makeRawPeer, registerRaw, tokenFor, writerOf } from "../support/rawPeer.ts"
import { openTelemetry } from "../support/telemetrySocket.ts"
import { buildWeb, watchPage } from "../support/webPage.ts"
import { makeTwoHosted } from "../support/linked.ts"
import { agreed, type Backend, until, type World } from "../support/world.ts"

interface Granted {
  readonly servers: Array<string>
  readonly inbox_prefix: string
  readonly subject: string
  readonly creds?: string
  readonly nkey_seed?: string
}

/**
 * One second is promised; what it took is printed, and stands in docs/MEASURED.md. Here there is room for a machine that
 * is busy with much else.
 */
const shutWithinMs = 5000
const timeout = 240_000

let world: World
let first: Backend
let second: Backend
let mine: Backend
let tenant: string
let browser: Browser | undefined
const open: Array<NatsConnection> = []

beforeAll(async () => {
  ;({ first, second, world } = await makeTwoHosted())
  mine = await world.local("mine")
  tenant = await world.pair(first, mine)
  await mine.http("POST", "/conversations/kept/messages", { role: "user", content: "written before" })
  await agreed(tenant, first, [mine])
  if (!isMissing("chromium")) {
    await buildWeb()
    browser = await startBrowser("chromium")
  }
}, timeout)
afterAll(async () => {
  await Promise.all(open.map((nats) => nats.close()))
  await browser?.close()
  await world.close()
})

/** When each path ended, in milliseconds since `start` was called. */
const stopwatch = () => {
  const ended: Record<string, number> = {}
  let began = 0
  return {
    ended,
    start: () => { began = performance.now() },
    now: () => Math.round(performance.now() - began),
    watch: (what: string, end: Promise<unknown>) => void end.then(() => { ended[what] = Math.round(performance.now() - began) }),
    all: (paths: ReadonlyArray<string>) => until(() => paths.every((path) => path in ended), 20_000, () => `ended: ${JSON.stringify(ended)}, of ${paths.join()}`)
  }
}
const tell = (what: string, figures: Readonly<Record<string, number>>) => console.log(`${what}: ${Object.entries(figures).map(([path, ms]) => `${path} ${ms} ms`).join(", ")}`)
const slower = (figures: Readonly<Record<string, number>>, answered: number) => Object.entries(figures).filter(([, ms]) => ms > shutWithinMs + answered)

const dial = async ({ creds, inbox_prefix, nkey_seed, servers, subject }: Granted) => {
  const authenticator: Authenticator = nkey_seed === undefined ? credsAuthenticator(new TextEncoder().encode(creds)) : nkeyAuthenticator(new TextEncoder().encode(nkey_seed))
  const nats = await connect({ servers, authenticator, inboxPrefix: inbox_prefix, noAsyncTraces: true, reconnect: false })
  open.push(nats)
  let heard = 0
  nats.subscribe(subject, { callback: (error) => { heard += error === null ? 1 : 0 } })
  return { nats, heard: () => heard }
}
const audited = async (backend: Backend, query = "") => (await backend.http<{ readonly entries: ReadonlyArray<AuditEntry> }>("GET", `/audit?limit=500${query}`)).json.entries
const revoke = async (peer: string) => {
  const { status, text } = await second.http("DELETE", `/peers/${peer}?cause=lost`)
  expect(status, text).toBe(200)
}

describe("a revoked device", () => {
  it("has no request, stream, WebSocket, commit or link on any process any more, and no way back", { timeout }, async () => {
    const raw = await makeRawPeer("lost")
    const code = await enrol(first, "ada")
    const writer = await writerOf(raw, await registerRaw(first, raw, await tokenFor(first, raw, code)))
    const peer = writer.author.id
    const headers = { authorization: `Bearer ${encodeBearer(await tokenFor(first, raw, code))}` }
    const reads = async (hosted: Backend) => (await fetch(`${hosted.url()}/conversations`, { headers })).status
    const syncs = async (hosted: Backend) => (await fetch(`${hosted.url()}/sync/${peer}`, { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: "{}" })).status
    await until(async () => await reads(second) === 200, 10_000)
    const clock = stopwatch()
    const paths = ["link"]
    for (const hosted of [first, second]) {
      const stream = await fetch(`${hosted.url()}/events?from=now`, { headers })
      const { ticket } = await (await fetch(`${hosted.url()}/telemetry/${peer}/ticket`, { method: "POST", headers })).json() as { readonly ticket: string }
      const sockets = { "WebSocket": await openTelemetry(`${hosted.url()}/telemetry/${peer}`, { headers }), "WebSocket by ticket": await openTelemetry(`${hosted.url()}/telemetry/${peer}?ticket=${ticket}`) }
      clock.watch(`SSE on ${hosted.name}`, stream.text().catch(() => undefined))
      for (const [what, { closed }] of Object.entries(sockets)) clock.watch(`${what} on ${hosted.name}`, closed.then(({ code: why }) => expect(why).toBe(1008)))
      paths.push(...["SSE", "HTTP", "sync", ...Object.keys(sockets)].map((what) => `${what} on ${hosted.name}`))
    }
    const scope = Scope.makeUnsafe()
    const leaf = await Effect.runPromise(Scope.provide(rawLeaf(world.leafPort(first), writer), scope))
    leaf.subscribe(`_INBOX.${peer}.>`)
    let last = 0
    let committed = 0
    const writing = (async () => {
      for (let n = 0; !leaf.closed(); n++) {
        const events = [writer.log.said(writer.author, "raw", `said ${n}`)]
        const reply = `_INBOX.${peer}.${n}`
        leaf.publish(subjects.ingest(writer.log.tenant, peer, "commit"), frame(writer.log.record(writer.author, events).data, events.map(({ data }) => data)), reply)
        await until(() => leaf.bodies.has(reply) || leaf.closed(), 10_000)
        if (leaf.bodies.get(reply)?.includes('"committed"') !== true) return
        committed++
        last = clock.now()
      }
    })()
    await until(() => committed > 3, 10_000)
    clock.start()
    for (const hosted of [first, second]) {
      clock.watch(`HTTP on ${hosted.name}`, until(async () => await reads(hosted) === 403, 10_000))
      clock.watch(`sync on ${hosted.name}`, until(async () => await syncs(hosted) === 403, 10_000))
    }
    clock.watch("link", until(() => leaf.closed(), 10_000))
    await revoke(peer)
    const answered = clock.now()
    await Promise.all([clock.all(paths), writing])
    const figures = { ...clock.ended, "last commit accepted": last, answered }
    tell("a device, revoked by the process without the admin role", figures)
    expect(slower(figures, answered)).toEqual([])
    for (const hosted of [first, second]) {
      const back = await registerRaw(hosted, raw, await tokenFor(hosted, raw, code))
      expect([back.status, back.json.type]).toEqual([403, "urn:maestra:problem:revoked"])
    }
    await Effect.runPromise(Scope.close(scope, Exit.void))
    // what it was told was committed is there, and nothing behind
    await until(async () => (await first.http("GET", `/conversations/raw?tenant=${tenant}`)).text.includes(`said ${committed - 1}`), 10_000)
    expect((await first.http("GET", `/conversations/raw?tenant=${tenant}`)).text).not.toContain(`said ${committed}"`)
  })

  it("that is a machine with our program tells its person, keeps everything, and lets no tool read along", { timeout }, async () => {
    const { backend_id, peer_id } = (await mine.http("GET", "/status")).json
    const granted = (await mine.http<Granted>("POST", "/tools/reader", { days: 1 })).json
    const { heard, nats } = await dial(granted)
    await until(() => heard() > 0, 15_000)
    const { json: { url } } = await mine.http<{ readonly url: string }>("POST", "/companion-codes", { owner: true })
    const watched = browser === undefined ? undefined : await watchPage(browser, url)
    await watched?.page.getByRole("status").getByText("In step").waitFor()
    const clock = stopwatch()
    const status = async () => (await mine.http("GET", "/status")).json
    clock.start()
    clock.watch("tool on that machine", nats.closed())
    clock.watch("maestra status", until(async () => (await status()).state === "needs_you", 20_000))
    clock.watch("log", until(() => mine.log().includes("this machine was revoked"), 20_000))
    clock.watch("audit", until(async () => (await audited(mine)).some(({ by, type }) => type === "peer.revoked" && by === "hosted"), 20_000))
    if (watched !== undefined) clock.watch("web app", watched.page.getByRole("status").getByText("Needs you").waitFor({ timeout: 20_000 }))
    await revoke(peer_id)
    const answered = clock.now()
    await clock.all(["tool on that machine", "maestra status", "log", "audit", ...(watched === undefined ? [] : ["web app"])])
    tell("a machine", { ...clock.ended, answered })
    expect(clock.ended["tool on that machine"]).toBeLessThan(shutWithinMs + answered)
    // told what happened, everywhere a person looks
    const shown = await mine.cli("status")
    expect([shown.code, shown.out]).toEqual([0, expect.stringMatching(/needs you: .*was revoked.*stay here/)])
    if (watched !== undefined) {
      await watched.page.getByText(/This machine was revoked on the hosted side/).first().waitFor()
      expect(watched.wrongs).toEqual([])
      await watched.close()
    }
    expect((await audited(mine)).map(({ by, data, type }) => [type, by, data["tool_id"] ?? data["peer_id"] ?? data["reason"]])).toEqual(expect.arrayContaining([
      ["tool.revoked", "self", opaqueId("tool", tenant, "reader")], ["peer.revoked", "hosted", peer_id], ["registration.refused", "hosted", "revoked"]
    ]))
    // and everything is there, and goes on
    expect((await mine.http("GET", "/conversations/kept")).text).toContain("written before")
    expect((await mine.http("POST", "/conversations/kept/messages", { role: "user", content: "written after" })).status).toBe(201)
    expect((await mine.http("GET", "/conversations/kept")).text).toContain("written after")
    expect([(await mine.http("POST", "/tools/another", { days: 1 })).json.type, (await status()).backend_id]).toEqual(["urn:maestra:problem:revoked", backend_id])
    await expect(dial(granted)).rejects.toThrow(/[Aa]uthorization/)
    // over a restart too, and in the list of what hosted knows
    await mine.stop()
    await mine.start()
    await until(async () => (await status()).state === "needs_you", 60_000)
    expect(JSON.parse(readFileSync(join(mine.dir, "tools.json"), "utf8"))).toEqual([])
    expect((await mine.http("GET", "/conversations/kept")).text).toContain("written after")
  })
})

describe("a tool on hosted", () => {
  const grant = async (name: string) => (await second.http<Granted>("POST", `/tools/${name}`, { tenant, days: 300 })).json

  it("outlasts the devices of its tenant, and is cut off by `tools revoke`, by a grant anew, and by an erasure, whichever process is asked", { timeout }, async () => {
    // granted by the operator for this tenant, and by no device: both of its devices are revoked
    const reader = await grant("reader")
    const { heard, nats } = await dial(reader)
    await until(() => heard() > 0, 15_000)
    const clock = stopwatch()
    clock.start()
    clock.watch("revoked", nats.closed())
    expect((await second.http("DELETE", `/tools/reader?tenant=${tenant}`)).status).toBe(200)
    const answered = clock.now()
    await clock.all(["revoked"])
    await expect(dial(reader)).rejects.toThrow(/[Aa]uthorization/)

    const before = await dial(await grant("twice"))
    clock.watch("granted anew", before.nats.closed())
    const began = clock.now()
    const anew = await grant("twice")
    const granted = clock.now()
    await clock.all(["granted anew"])
    const erased = await dial(anew)
    await until(() => erased.heard() > 0, 15_000)
    // it stays out, also after the hub forgot what it was told while it ran
    await first.stop()
    await first.start()
    await until(() => dial(reader).then(() => false, (error: unknown) => /[Aa]uthorization/.test(String(error))), 20_000)
    const again = await dial(anew)
    clock.watch("erased", again.nats.closed())
    const erasing = clock.now()
    expect((await second.http("DELETE", `/privacy/data?tenant=${tenant}`)).status).toBe(200)
    await clock.all(["erased"])
    const { erased: gone, revoked, "granted anew": other } = clock.ended
    tell("a tool on hosted", { "tools revoke": revoked!, answered, "tools grant again": other! - began, "answered that": granted - began, "privacy erase": gone! - erasing })
    expect([revoked! - answered, other! - granted].filter((ms) => ms > shutWithinMs)).toEqual([])
    expect((await audited(first, `&tenant=${tenant}`)).filter(({ type }) => type.startsWith("tool.")).map(({ data, type }) => [type, data["tool_id"]])).toEqual([
      ["tool.granted", opaqueId("tool", tenant, "reader")], ["tool.revoked", opaqueId("tool", tenant, "reader")], ["tool.granted", opaqueId("tool", tenant, "twice")], ["tool.granted", opaqueId("tool", tenant, "twice")]
    ])
  })
})
