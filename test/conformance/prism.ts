/**
 * Holds both backends to their own contract: Prism stands between the clients and the servers, with the document each server
 * tells, and names every request and answer that is not as described.
 *
 * `npm run prism`: the conformance cases and a session of the SDK, as companion and as owner, against hosted and local. Prism is
 * fetched on demand, or is the one `PRISM` names. Answers must hold everywhere; requests where they were taken.
 * Past it go event streams and lines of JSON, which it reads to their end and takes for one value, and the case of bodies that
 * are no JSON at all, which it answers itself.
 */
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { memoryStorage } from "../../src/sdk/typescript/storage.ts"
import { openMaestra } from "../../src/sdk/typescript/Maestra.ts"
import { advisorOf, companionCode as ownersCode, hostedBackend, localBackend, openOwnerSession, upkeepOf } from "../../src/sdk/typescript/owner/index.ts"
import { keychainVault, memoryKeychain } from "../../src/sdk/typescript/vault.ts"
import { companionCode, pairingCode, settle } from "../support/companion.ts"
import { done } from "../support/linked.ts"
import { type Backend, makeWorld, until } from "../support/world.ts"
import { cases } from "./cases.ts"
import { Client } from "./Client.ts"

interface Violation {
  readonly location: ReadonlyArray<string>
  readonly severity: string
  readonly code: string
  readonly message: string
}

const prismVersion = "5.14.2"
const direct = globalThis.fetch
const pastPaths: ReadonlySet<string> = new Set(["/events", "/export", "/import", "/verify"])
const pastCase = /^limits: too long, not UTF-8/
const proxies = new Map<string, string>()
const found = new Map<string, number>()
let seen = 0
let isPast = false

/** Requests to a backend go by its Prism; what that found wrong is noted. */
globalThis.fetch = async (input, init) => {
  const url = new URL(String(input))
  const proxy = proxies.get(url.origin)
  if (proxy === undefined || isPast || pastPaths.has(url.pathname)) return direct(input, init)
  const response = await direct(`${proxy}${url.pathname}${url.search}`, init)
  seen++
  const violations = JSON.parse(response.headers.get("sl-violations") ?? "[]") as ReadonlyArray<Violation>
  for (const { code, location, message, severity } of violations) {
    // a request may be wrong on purpose; then it has to be refused
    if (location[0] === "request" && response.status >= 400) continue
    const what = `${init?.method ?? "GET"} ${url.pathname.replace(/peer_[0-9a-f]{16}/, "{peer}")} ${response.status}: ${severity} ${location.join(".")}: ${code}: ${message}`
    found.set(what, (found.get(what) ?? 0) + 1)
  }
  return response
}

const proxyFor = async (backend: Backend, folder: string, port: number) => {
  const document = join(folder, `${backend.name}.json`)
  writeFileSync(document, await (await direct(`${backend.url()}/openapi.json`)).text())
  const { PRISM } = process.env
  const [command, args] = PRISM === undefined ? ["npx", ["--yes", "--package", `@stoplight/prism-cli@${prismVersion}`, "prism"]] as const : [PRISM, []] as const
  const child = spawn(command, [...args, "proxy", document, backend.url(), "--port", String(port), "--cors", "false"], { stdio: ["ignore", "pipe", "inherit"] })
  child.stdout.resume()
  const url = `http://127.0.0.1:${port}`
  await until(() => direct(`${url}/health`).then(({ ok }) => ok, () => false), 300_000, () => "Prism does not answer")
  proxies.set(backend.url(), url)
  return () => child.kill()
}

/** What the SDK asks, as a companion of both sides, as the owner, and as the operator. */
const session = async (hosted: Backend, local: Backend, tenant: string) => {
  const phone = await openMaestra({ platform: "ios", storage: memoryStorage(), vault: keychainVault(memoryKeychain()) })
  await phone.joinLocal(local.url(), await companionCode(local))
  const message = await phone.append("prism", { role: "user", content: "through the looking glass" })
  await settle(phone)
  await phone.edit("prism", message, "edited")
  await settle(phone)
  await phone.refresh("prism")
  const code = await done<{ readonly code: string }>(local, "POST", "/companion-codes", { owner: true })
  const { token } = await openOwnerSession({ url: local.url() }, code.code)
  const access = { url: local.url(), token }
  const { conversations, ...owner } = localBackend(access, "web")
  const made = await conversations.create("Prism")
  const said = await conversations.append(made.conversation_id, { id: "m", role: "user", content: "one" })
  await conversations.edit(made.conversation_id, said.id, "two")
  const [, first] = await conversations.history(made.conversation_id, said.id)
  await conversations.restore(made.conversation_id, said.id, first!.event_id)
  await conversations.rename(made.conversation_id, "Renamed")
  await conversations.list({ limit: 2 })
  await conversations.conflicts({ limit: 2 })
  await conversations.removeMessage(made.conversation_id, said.id)
  await conversations.remove(made.conversation_id)
  await Promise.all([owner.status(), owner.peers(), owner.privacy(), owner.changePrivacy({ redact_pii: true }), owner.telemetryHours("2020-01-01"), owner.debug(), ownersCode(access)])
  await owner.pause()
  await owner.resume()
  await advisorOf(access).ask({ question: "Is anybody there?" }).catch(() => undefined)
  const upkeep = upkeepOf(access, { surface: "web" })
  await upkeep.importLines(`{"conversation_id":"imported","messages":[{"role":"user","content":"x"}]}\n`)
  await Promise.all([upkeep.digest(), upkeep.verify(), upkeep.telemetry({ limit: 3 })])
  const operated = { url: hosted.url(), token: readFileSync(join(hosted.dir, "admin-token"), "utf8").trim() }
  const operator = hostedBackend(operated)
  await Promise.all([operator.status(), operator.peers(), operator.enroll("grace")])
  const theirs = upkeepOf(operated, { surface: "web", tenant })
  await Promise.all([theirs.digest(), theirs.verify(), theirs.telemetry({ limit: 3 })])
}

const world = await makeWorld()
const ends: Array<() => void> = []
let failed = 0
try {
  const hosted = await world.hosted("hosted", { args: ["--syncs-per-minute", "10000"] })
  const local = await world.local("local")
  const tenant = await world.pair(hosted, local)
  const port = Number(new URL(local.url()).port)
  ends.push(await proxyFor(hosted, world.dir, port + 2000), await proxyFor(local, world.dir, port + 2001))
  for (const [backend, platform, code] of [[hosted, "ios", await pairingCode(hosted, "ada")], [local, "android", await companionCode(local)]] as const) {
    const client = await Client.make(backend.url(), code, platform)
    for (const { name, run } of cases) {
      isPast = pastCase.test(name)
      await run(client).catch((cause: unknown) => {
        failed++
        console.log(`FAIL  ${backend.name}: ${name}\n      ${cause instanceof Error ? cause.message : String(cause)}`)
      })
    }
  }
  isPast = false
  await session(hosted, local, tenant)
} finally {
  for (const end of ends) end()
  await world.close()
}
for (const [what, count] of found) console.log(`${count} × ${what}`)
console.log(`${seen} requests through Prism ${prismVersion}: ${found.size} kinds of violations, ${failed} failed cases`)
process.exitCode = found.size === 0 && failed === 0 && seen > 50 ? 0 : 1
