// Goal: keys of a machine, of a deployment and of companions are replaced while a phone and a browser go on, and each recognises the others by the keys it knew.
// Method: hosted and a paired local as processes, the SDK as a hosted-only browser and a phone of the local backend; everything rotates in turn, a phone is cut off meanwhile.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { hostedBackend, localBackend } from "../../src/sdk/typescript/owner/index.ts"
import { memoryStorage } from "../../src/sdk/typescript/storage.ts"
import { keychainVault, memoryKeychain } from "../../src/sdk/typescript/vault.ts"
import { MaestraError } from "../../src/sdk/typescript/problems.ts"
import { companionCode, openSurface, pairingCode, settle, type Surface } from "../support/companion.ts"
import { done, shown } from "../support/linked.ts"
import { verified } from "../support/load.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

interface Row { readonly kind: string; readonly status: string; readonly key_id: string | null; readonly ends_at: string | null }
interface Rotated { readonly status: string; readonly key_id: string; readonly previous_key_id: string }

let world: World
let hosted: Backend
let local: Backend
let tenant: string
let web: Surface
let ios: Surface
const kept = { storage: memoryStorage(), vault: keychainVault(memoryKeychain()) }

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  local = await world.local("a")
  tenant = await world.pair(hosted, local)
  web = await openSurface("web")
  await web.joinHosted(await pairingCode(hosted, "ada"))
  ios = await openSurface("ios", kept)
  await ios.joinLocal(local.url(), await companionCode(local))
  await settle(ios, web)
})
afterAll(() => world.close())

const keysOf = async (backend: Backend) => (await done<{ readonly keys: ReadonlyArray<Row> }>(backend, "GET", "/keys")).keys
const rotate = (backend: Backend, which: string) => done<Rotated>(backend, "POST", "/keys/rotate", { which })
/** What each writes is read by everybody. */
const allGoOn = async (what: string) => {
  await web.append("talk", { role: "user", content: `web after ${what}` })
  await ios.append("talk", { role: "user", content: `ios after ${what}` })
  await settle(ios, web)
  await agreed(tenant, hosted, [local])
  for (const backend of [hosted, local]) {
    const texts = (await shown(backend, "talk", tenant)).messages.map(({ content }) => content)
    assert.includeMembers(texts, [`web after ${what}`, `ios after ${what}`], backend.name)
  }
}
/** The registrations of a surface end, as after a working day: the next sync registers anew. */
const endRegistrations = async (surface: Surface) => {
  const link = await surface.storage.read("link") as { readonly expires: object }
  await surface.storage.write([["link", { ...link, expires: {} }]])
}

describe("a new peer", () => {
  it("shows as not confirmed everywhere until another device vouches for it, and as confirmed everywhere then", async () => {
    const second = await world.local("b")
    await world.pair(hosted, second)
    await agreed(tenant, hosted, [local, second])
    const { peer_id } = await done<{ readonly peer_id: string }>(second, "GET", "/status")
    const token = (backend: Backend) => readFileSync(join(backend.dir, backend.side === "hosted" ? "admin-token" : "token"), "utf8").trim()
    const access = (backend: Backend) => ({ url: backend.url(), token: token(backend), fetch })
    const onCli = async (backend: Backend) => {
      const { peers } = JSON.parse((await backend.cli(backend.side, "peers", "--json")).out) as { readonly peers: ReadonlyArray<{ readonly peer_id: string; readonly confirmed: boolean }> }
      return peers.find((peer) => peer.peer_id === peer_id)?.confirmed
    }
    const everywhere = async () => [
      ...await Promise.all([hosted, local, second].map(onCli)),
      (await hostedBackend(access(hosted)).peers()).find((peer) => peer.peer_id === peer_id)?.confirmed,
      (await localBackend(access(local), "web").peers()).find((peer) => peer.peer_id === peer_id)?.confirmed
    ]
    assert.deepStrictEqual(await everywhere(), [false, false, false, false, false])
    assert.strictEqual((await local.cli("local", "confirm", peer_id)).code, 0)
    await agreed(tenant, hosted, [local, second])
    assert.deepStrictEqual(await everywhere(), [true, true, true, true, true])
    assert.strictEqual((await local.cli("local", "confirm", "peer_0000000000000000")).code, 1)
    await second.stop()
  }, 120_000)
})

describe("keys are replaced under phones and browsers", () => {
  it("the machine's and the deployment's: who knew the old key follows to the new one", async () => {
    await rotate(local, "identity")
    await rotate(hosted, "identity")
    for (const surface of [web, ios]) await endRegistrations(surface)
    await allGoOn("rotations of both sides")
    // once more, from what was learned
    await rotate(hosted, "identity")
    for (const surface of [web, ios]) await endRegistrations(surface)
    await allGoOn("another one")
  })

  it("but not to a key that nobody signed for", async () => {
    const stranger = await openSurface("web")
    await stranger.joinHosted(await pairingCode(hosted, "ada"))
    const link = await stranger.storage.read("link") as { readonly hosted: object }
    await stranger.storage.write([["link", { ...link, hosted: { ...link.hosted, fingerprint: "A".repeat(43) }, expires: {} }]])
    const refused = await stranger.sync().then(() => undefined, (cause: unknown) => cause)
    assert.instanceOf(refused, MaestraError)
    assert.strictEqual(refused.kind, "refused")
  })

  it("the pairing secret: sessions go on, a phone hears of its own new key, twice in a row", async () => {
    const before = (await keysOf(local)).find(({ kind, status }) => kind === "pairing" && status === "current")?.key_id
    const first = await rotate(local, "pairing")
    assert.deepStrictEqual([first.status, first.previous_key_id], ["rotated", before])
    await allGoOn("the first secret")
    const second = await rotate(local, "pairing")
    assert.strictEqual(second.previous_key_id, first.key_id)
    const rows = (await keysOf(local)).filter(({ kind }) => kind === "pairing")
    assert.deepStrictEqual(rows.map(({ key_id, status }) => [key_id, status]), [[before, "in_grace"], [first.key_id, "in_grace"], [second.key_id, "current"]])
    // still with the key made of the first secret, which it never heard was replaced
    const old = await kept.vault.sessionKey()
    await endRegistrations(ios)
    await allGoOn("two secrets")
    assert.notStrictEqual(await kept.vault.sessionKey(), old)
    // the machine itself, with its new secret and its new nkey, over a restart
    await local.stop()
    await local.start()
    await allGoOn("a restart")
  })

  it("a companion's own: in force with one side's yes, carried on by a second instance, and known to everybody", async () => {
    for (const surface of [web, ios]) {
      const { keyId } = await surface.rotateKeys()
      await allGoOn(`a rotation of ${keyId.slice(0, 4)}`)
    }
    // the other tab of the same phone had read the old keys
    const other = await openSurface("ios", kept)
    await other.append("talk", { role: "user", content: "from the other tab" })
    await settle(other, ios)
    await until(async () => JSON.stringify(await shown(hosted, "talk", tenant)).includes("from the other tab"), 10_000)
    const cut = [local.url(), hosted.url()]
    cut.forEach((origin) => ios.wire.cut.add(origin))
    await ios.append("talk", { role: "user", content: "signed with the key before" })
    assert.instanceOf(await ios.rotateKeys().then(() => undefined, (cause: unknown) => cause), MaestraError)
    // only the machine answers: it takes the new key, and passes it on
    ios.wire.cut.delete(local.url())
    await ios.rotateKeys()
    await settle(ios)
    await until(async () => JSON.stringify(await shown(hosted, "talk", tenant)).includes("signed with the key before"), 20_000)
    ios.wire.cut.clear()
    await allGoOn("its third")
    const { ok, problems } = await verified(hosted, tenant)
    assert.deepStrictEqual([ok, problems], [true, []])
  })
})
