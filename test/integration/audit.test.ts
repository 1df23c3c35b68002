// Goal: who did what on real backends stands in their audits, in chains that hold, and can be read, followed and checked.
// Method: a hosted and a local backend as processes through the life of a device, with somebody who tries what they may not.
import { assert, describe, it } from "@effect/vitest"
import { connect, credsAuthenticator } from "@nats-io/transport-node"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import type { AuditEntry } from "../../streams/Audit.ts"
import { subjects } from "../../streams/subjects.ts"
import { frame } from "../../src/security/commit.ts"
import { opaqueId } from "../../src/security/opaqueId.ts"
import { peerIdOf } from "../../src/security/peerId.ts"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { companionCode, openSurface, settle } from "../support/companion.ts"
import { rawLeaf } from "../support/rawLeaf.ts"
import { enrol, makeRawPeer, proofOf, registerRaw, tokenFor, writerOf } from "../support/rawPeer.ts"
import { openTelemetry } from "../support/telemetrySocket.ts"
import { agreed, type Backend, maestra, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let ada: Backend
let tenant: string

beforeAll(async () => {
  world = await makeWorld()
  ;[hosted, ada] = await Promise.all([world.hosted(), world.local("ada")])
  tenant = await world.pair(hosted, ada)
})
afterAll(() => world.close())

const entries = async (backend: Backend, query = ""): Promise<ReadonlyArray<AuditEntry>> =>
  (await backend.http<{ readonly entries: ReadonlyArray<AuditEntry> }>("GET", `/audit?limit=500${query}`)).json.entries
const typesIn = (all: ReadonlyArray<AuditEntry>) => all.map(({ by, data, type }) => [type, by, data["reason"] ?? data["fields"] ?? data["command"] ?? data["cause"] ?? data["of"] ?? ""].join(" ").trim())
/** They are written within moments of what they tell, and what may happen often is gathered for some seconds. */
const expectEntries = async (backend: Backend, query: string, expected: ReadonlyArray<string>) => {
  let missing = expected
  await until(async () => {
    const seen = typesIn(await entries(backend, query))
    missing = expected.filter((one) => !seen.includes(one))
    return missing.length === 0
  }, 30_000, () => `${backend.name}: no entry ${missing.join(", ")}`)
}
const status = (backend: Backend, token: string, method: string, path: string, more: Readonly<Record<string, string>> = {}) =>
  fetch(`${backend.url()}${path}`, { method, headers: { authorization: `Bearer ${token}`, ...more } }).then((answer) => answer.status)

describe("the audits of real backends", () => {
  it("a device's life is told on the hosted side, by whom and of which tenant", async () => {
    const { peer_id } = (await ada.http("GET", "/status")).json
    const raw = await makeRawPeer("raw")
    const code = await enrol(hosted, "ada")
    const token = await tokenFor(hosted, raw, code)
    const { json: { peer_id: other } } = await registerRaw(hosted, raw, token)
    const bearer = encodeBearer(token)
    assert.strictEqual(await status(hosted, bearer, "GET", "/audit"), 403)
    assert.strictEqual(await status(hosted, "wrong", "GET", "/peers"), 401)
    for (const [method, path] of [["GET", "/privacy-settings"], ["POST", "/privacy/export"], ["DELETE", "/privacy/data"]] as const) {
      const { json, status: told } = await hosted.http(method, `${path}?tenant=t_aaaaaaaaaaaaaaaa`)
      assert.deepStrictEqual([told, json["type"]], [404, "urn:maestra:problem:unknown-tenant"], path)
    }
    assert.strictEqual(await status(hosted, bearer, "GET", "/conversations", { origin: "https://evil.example" }), 403)
    await ada.http("PUT", "/privacy-settings", { redact_pii: false })
    await agreed(tenant, hosted, [ada])
    await hosted.http("DELETE", `/peers/${other}?cause=lost`)
    assert.strictEqual(await status(hosted, bearer, "GET", "/conversations"), 403)

    await expectEntries(hosted, `&tenant=${tenant}`, [
      "tenant.created operator", "pairing.code_made operator", `peer.registered ${peer_id}`, `peer.registered ${other}`,
      `request.refused ${raw.identity.backend_id} operator-only`, `settings.changed ${peer_id} redact_pii`, "peer.revoked operator lost", "session.refused nobody revoked"
    ])
    await expectEntries(hosted, "&tenant=_", ["session.refused nobody token-refused", "request.refused nobody origin-forbidden"])
  })

  it("the person's own commands stand in the local one, which is a file", async () => {
    await ada.http("POST", "/pause")
    await ada.http("POST", "/resume")
    await ada.http("GET", "/export")
    await ada.http("POST", "/privacy/export")
    assert.strictEqual(await status(ada, "wrong", "GET", "/status"), 401)
    await until(async () => typesIn(await entries(ada)).includes("session.refused nobody token-refused"), 30_000)
    const seen = typesIn(await entries(ada))
    assert.includeMembers([...seen], ["pairing.joined owner", "settings.changed owner redact_pii", "command.given owner pause", "command.given owner resume", "data.exported owner"])
    assert.strictEqual(seen.filter((entry) => entry === "data.exported owner").length, 2)
    const shown = await entries(ada)
    // another may have come since
    const lines = readFileSync(join(ada.home, "audit.log"), "utf8").trimEnd().split("\n").slice(0, shown.length).map((line): AuditEntry => JSON.parse(line))
    assert.deepStrictEqual(lines, [...shown])
  })

  it("whoever is not let in, and whatever is not signed as it should be, is told with the reason", async () => {
    const raw = await makeRawPeer("signer")
    const code = await enrol(hosted, "ada")
    const writer = await writerOf(raw, await registerRaw(hosted, raw, await tokenFor(hosted, raw, code)))
    const stranger = await makeRawPeer("stranger")
    const token = await tokenFor(hosted, raw, code)
    const bearer = encodeBearer(token)
    // a registration: with no secret of ours, with another's proof
    assert.strictEqual((await registerRaw(hosted, stranger, await tokenFor(hosted, stranger, { ...code, secret: new Uint8Array(32) }))).status, 401)
    assert.strictEqual((await registerRaw(hosted, raw, token, { proof: proofOf(stranger, token.signature) })).status, 401)
    // a session: another key for the MAC; alone where a fresh proof is wanted; in another peer's place; for a WebSocket
    assert.strictEqual(await status(hosted, encodeBearer(await tokenFor(hosted, raw, { ...code, secret: new Uint8Array(32) })), "GET", "/conversations"), 401)
    assert.strictEqual(await status(hosted, bearer, "GET", "/privacy-settings"), 403)
    assert.strictEqual(await status(hosted, bearer, "POST", `/telemetry/${peerIdOf(tenant, stranger.backendId)}/ticket`), 403)
    await openTelemetry(`${hosted.url()}/telemetry/${writer.author.id}?ticket=none`).then(() => assert.fail("let in"), () => undefined)
    // a sync and a commit, signed by another key
    const sync = { sync_id: "s", timestamp: new Date().toISOString(), conversations: [], signature: "c2ln" }
    const synced = await fetch(`${hosted.url()}/sync/${writer.author.id}`, { method: "POST", headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" }, body: JSON.stringify(sync) })
    assert.strictEqual(synced.status, 403)
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const leaf = yield* rawLeaf(world.leafPort(hosted), writer)
      leaf.subscribe(`_INBOX.${writer.author.id}.>`)
      const events = [writer.log.said(writer.author, "forged", "in another's name")]
      writer.author.pair = stranger.pair
      leaf.publish(subjects.ingest(tenant, writer.author.id, "commit"), frame(writer.log.record(writer.author, events).data, events.map(({ data }) => data)), `_INBOX.${writer.author.id}.1`)
      yield* Effect.promise(() => until(() => leaf.bodies.size > 0, 30_000))
    })))
    const { backendId } = raw
    await expectEntries(hosted, `&tenant=${tenant}`, [
      "registration.refused nobody wrong-code", "registration.refused nobody proof-invalid", "session.refused nobody token-refused",
      `request.refused ${backendId} proof-refused`, `request.refused ${backendId} peer-not-own`, `request.refused ${backendId} bad-signature`, `commit.refused ${writer.author.id} bad_signature`
    ])
    await expectEntries(hosted, "&tenant=_", ["request.refused nobody unauthorized"])
  })

  it("what a machine or a tool tries on the hub and may not is told, of whom, and counted", async () => {
    const raw = await makeRawPeer("oversteps")
    const writer = await writerOf(raw, await registerRaw(hosted, raw, await tokenFor(hosted, raw, await enrol(hosted, "ada"))))
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const leaf = yield* rawLeaf(world.leafPort(hosted), writer)
      leaf.publish(subjects.logConversation(tenant, "forged"), "x")
      yield* Effect.promise(() => until(leaf.closed, 30_000))
    })))
    const { creds, inbox_prefix, servers } = (await hosted.http<{ readonly creds: string; readonly inbox_prefix: string; readonly servers: Array<string> }>("POST", "/tools/oversteps", { tenant })).json
    const nats = await connect({ servers, authenticator: credsAuthenticator(new TextEncoder().encode(creds)), inboxPrefix: inbox_prefix, noAsyncTraces: true })
    for (let n = 0; n < 20; n++) nats.publish(subjects.logConversation(tenant, "forged"), "x")
    nats.subscribe(subjects.logTenant(tenant), { callback: () => undefined })
    await nats.flush().catch(() => undefined)
    const tool = opaqueId("tool", tenant, "oversteps")
    await expectEntries(hosted, `&tenant=${tenant}`, [`request.refused ${writer.author.id} hub-permission`, `request.refused ${tool} hub-permission`])
    await nats.close()
    // twenty-one tries of one minute are one entry, and one with the count of the rest
    assert.strictEqual((await entries(hosted, `&tenant=${tenant}`)).filter(({ by, data }) => by === tool && data["reason"] === "hub-permission").length, 1)
  })

  it("whatever an operator does is told, and of whom", async () => {
    const { json: { tenant: other } } = await hosted.http("POST", "/enroll", { user: "bob" })
    const { json: { token } } = await hosted.http<{ readonly token: string }>("POST", "/admin/tokens", { name: "carol", scope: "read" })
    const carol = opaqueId("operator", "carol")
    assert.strictEqual(await status(hosted, token, "GET", `/conversations?tenant=${tenant}`), 200)
    assert.strictEqual(await status(hosted, token, "POST", "/rebuild"), 403)
    for (const [method, path, body] of [
      ["DELETE", "/admin/tokens/carol"], ["POST", `/tools/ours`, { tenant: other }], ["DELETE", `/tools/ours?tenant=${other}`], ["POST", "/alerts/silence", { minutes: 1 }],
      ["POST", "/expire"], ["POST", "/rebuild"], ["POST", "/keys/rotate", {}], ["POST", "/keys/rotate", { which: "nats" }], ["GET", `/export?tenant=${other}`], ["POST", `/privacy/export?tenant=${other}`], ["GET", "/backup/deployment"], ["DELETE", `/privacy/data?tenant=${other}`]
    ] as const) {
      const { status, text } = await hosted.http(method, path, body)
      assert.isBelow(status, 300, `${method} ${path} ${text}`)
    }
    await expectEntries(hosted, `&tenant=${tenant}`, [`data.read ${carol}`])
    await expectEntries(hosted, `&tenant=${other}`, ["tool.granted operator", "tool.revoked operator", "data.exported operator", "tenant.erased operator"])
    await expectEntries(hosted, "&tenant=_", [
      "admin_token.made operator", `request.refused ${carol} scope-too-small`, "admin_token.revoked operator", "command.given operator silence", "command.given operator expire", "command.given operator rebuild",
      "key.rotated operator backend", "key.rotated operator nats", "backup.read operator"
    ])
    assert.strictEqual((await entries(hosted, `&tenant=${other}`)).filter(({ type }) => type === "data.exported").length, 2)
  })

  it("a machine's keys and tools, and whom it lets in, are told where it happens", async () => {
    const { peer_id } = (await ada.http("GET", "/status")).json
    for (const [method, path, body, expected] of [
      ["POST", "/keys/rotate", {}, 200], ["POST", "/keys/rotate", { which: "pairing" }, 200], ["POST", "/tools/reader", { days: 1 }, 200], ["DELETE", "/tools/reader", undefined, 200],
      ["POST", "/resync", {}, 200], ["POST", "/rebuild", undefined, 200], ["POST", "/alerts/silence", { minutes: 1 }, 200], ["POST", "/owner-sessions", { code: "none" }, 401], ["POST", "/companion-keys", { code: "none", backend_id: `ios_sha256_${"1".repeat(64)}` }, 401]
    ] as const) {
      const { status, text } = await ada.http(method, path, body)
      assert.strictEqual(status, expected, `${method} ${path} ${text}`)
    }
    const { json: { code } } = await ada.http("POST", "/companion-codes", { owner: true })
    assert.strictEqual((await ada.http("POST", "/owner-sessions", { code })).status, 200)
    const phone = await openSurface("ios")
    await phone.joinLocal(ada.url(), await companionCode(ada))
    await settle(phone)
    const companion = (await ada.http<{ readonly peers: ReadonlyArray<{ readonly peer_id: string }> }>("GET", "/peers")).json.peers.find((one) => one.peer_id !== peer_id)!.peer_id
    await ada.http("POST", `/peers/${companion}/confirm`)
    await expectEntries(ada, "", [
      "key.rotated owner backend", "key.rotated owner pairing", "tool.granted owner", "tool.revoked owner", "command.given owner resync", "command.given owner rebuild", "command.given owner silence", "command.given owner open",
      "registration.refused nobody wrong-code", "owner_session.opened owner", "peer.confirmed owner"
    ])
    assert.isTrue((await entries(ada)).some(({ by, type }) => type === "peer.registered" && by.startsWith("peer_")))
    await expectEntries(hosted, `&tenant=${tenant}`, ["key.rotated self backend", `key.rotated ${peer_id} pairing`, `peer.confirmed ${peer_id}`, `peer.renewed ${peer_id}`])
  })

  it("the command line shows, follows and checks them; a changed line is named and is exit 1", async () => {
    const shown = await hosted.cli("audit", "--on", "hosted", "--tenant", tenant)
    assert.deepStrictEqual([shown.code, shown.err], [0, ""])
    assert.include(shown.out, "peer.revoked")
    for (const backend of [hosted, ada]) {
      const { code, err, out } = await backend.cli("audit", "--verify", "--on", backend.side, "--json")
      assert.deepStrictEqual([code, err, JSON.parse(out).ok], [0, "", true])
    }
    const child = spawn(maestra, ["audit", "--follow", "--json", "--limit", "1"], { env: { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: ada.home }, stdio: ["ignore", "pipe", "inherit"] })
    let heard = ""
    child.stdout.on("data", (bytes: Buffer) => { heard += bytes.toString() })
    try {
      await until(() => heard !== "", 30_000)
      await ada.http("POST", "/pause")
      await until(() => heard.includes("\"pause\""), 30_000)
    } finally {
      child.kill("SIGTERM")
    }
    const file = join(ada.home, "audit.log")
    writeFileSync(file, readFileSync(file, "utf8").replace("redact_pii", "sync_pause"))
    const { code, err } = await ada.cli("audit", "--verify")
    assert.strictEqual(code, 1)
    assert.match(err, /entry at \d+ does not follow/)
  })
})
