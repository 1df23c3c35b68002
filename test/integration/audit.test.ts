// Goal: who did what on real backends stands in their audits, in chains that hold, and can be read, followed and checked.
// Method: a hosted and a local backend as processes through the life of a device, with somebody who tries what they may not.
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import type { AuditEntry } from "../../streams/Audit.ts"
import { enrol, makeRawPeer, registerRaw, tokenFor } from "../support/rawPeer.ts"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { agreed, type Backend, main, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let ada: Backend
let tenant: string

beforeAll(async () => {
  world = await makeWorld()
  ;[hosted, ada] = await Promise.all([world.hosted(), world.local("ada")])
  tenant = await world.pair(hosted, ada)
}, 120_000)
afterAll(() => world.close(), 60_000)

const entries = async (backend: Backend, query = ""): Promise<ReadonlyArray<AuditEntry>> =>
  (await backend.http<{ readonly entries: ReadonlyArray<AuditEntry> }>("GET", `/audit?limit=500${query}`)).json.entries
const typesIn = (all: ReadonlyArray<AuditEntry>) => all.map(({ by, data, type }) => [type, by, data["reason"] ?? data["fields"] ?? data["command"] ?? data["cause"] ?? ""].join(" ").trim())
const status = (backend: Backend, token: string, method: string, path: string, more: Readonly<Record<string, string>> = {}) =>
  fetch(`${backend.url()}${path}`, { method, headers: { authorization: `Bearer ${token}`, ...more } }).then((answer) => answer.status)

describe("the audits of real backends", { timeout: 90_000 }, () => {
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

    const seen = typesIn(await entries(hosted, `&tenant=${tenant}`))
    for (const expected of [
      "tenant.created operator", "pairing.code_made operator", `peer.registered ${peer_id}`, `peer.registered ${other}`,
      `request.refused ${raw.identity.backend_id} operator-only`, `settings.changed ${peer_id} redact_pii`, "peer.revoked operator lost", "session.refused nobody revoked"
    ]) assert.include(seen, expected)
    const ofNone = typesIn(await entries(hosted, "&tenant=_"))
    for (const expected of ["session.refused nobody token-refused", "request.refused nobody origin-forbidden"]) assert.include(ofNone, expected)
  })

  it("the person's own commands stand in the local one, which is a file", async () => {
    await ada.http("POST", "/pause")
    await ada.http("POST", "/resume")
    await ada.http("GET", "/export")
    await ada.http("POST", "/privacy/export")
    assert.strictEqual(await status(ada, "wrong", "GET", "/status"), 401)
    await until(async () => typesIn(await entries(ada)).includes("session.refused nobody token-refused"), 5000)
    const seen = typesIn(await entries(ada))
    assert.includeMembers([...seen], ["pairing.joined owner", "settings.changed owner redact_pii", "command.given owner pause", "command.given owner resume", "data.exported owner"])
    assert.strictEqual(seen.filter((entry) => entry === "data.exported owner").length, 2)
    const lines = readFileSync(join(ada.home, "audit.log"), "utf8").trimEnd().split("\n").map((line): AuditEntry => JSON.parse(line))
    assert.deepStrictEqual(lines, [...await entries(ada)])
  })

  it("the command line shows, follows and checks them; a changed line is named and is exit 1", async () => {
    const shown = await hosted.cli("audit", "--on", "hosted", "--tenant", tenant)
    assert.deepStrictEqual([shown.code, shown.err], [0, ""])
    assert.include(shown.out, "peer.revoked")
    for (const backend of [hosted, ada]) {
      const { code, err, out } = await backend.cli("audit", "--verify", "--on", backend.side, "--json")
      assert.deepStrictEqual([code, err, JSON.parse(out).ok], [0, "", true])
    }
    const child = spawn(process.execPath, [main, "audit", "--follow", "--json", "--limit", "1"], { env: { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: ada.home }, stdio: ["ignore", "pipe", "inherit"] })
    let heard = ""
    child.stdout.on("data", (bytes: Buffer) => { heard += bytes.toString() })
    await until(() => heard !== "", 20_000)
    await ada.http("POST", "/pause")
    await until(() => heard.includes("\"pause\""), 20_000)
    child.kill("SIGTERM")
    const file = join(ada.home, "audit.log")
    writeFileSync(file, readFileSync(file, "utf8").replace("redact_pii", "sync_pause"))
    const { code, err } = await ada.cli("audit", "--verify")
    assert.strictEqual(code, 1)
    assert.match(err, /entry at \d+ does not follow/)
  })
})
