// Goal: every key of a deployment is replaced as an operator does it, with real processes: the signing key of links, asked for at a process without the admin role, and the master key while nothing runs.
// Method: two hosted processes and a paired local, through the command line; `maestra hosted rekey` between a stop and a start, with wrong keys too.
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { issuerOf } from "../../src/nats/signingKeys.ts"
import { stolenCreds } from "../support/rawPeer.ts"
import { makeTwoHosted } from "../support/linked.ts"
import { agreed, type Backend, maestra, run, until, type World } from "../support/world.ts"

interface Rows { readonly keys: ReadonlyArray<{ readonly kind: string; readonly status: string; readonly key_id: string | null }> }

const timeout = 240_000
let world: World
let first: Backend
let second: Backend
let a: Backend
let tenant: string

beforeAll(async () => {
  ;({ first, second, world } = await makeTwoHosted())
  a = await world.local("a")
  tenant = await world.pair(first, a)
}, timeout)
afterAll(() => world.close())

const natsKeys = async (hosted: Backend) => (await hosted.http<Rows>("GET", "/keys")).json.keys.filter(({ kind }) => kind === "nats").map(({ key_id, status }) => [key_id, status])
const issuer = () => issuerOf(stolenCreds(a).jwt)
/** Why the machine's link ended, each time it did, by its own server's log. A machine busy with much else misses pings: that is no rotation's doing. */
const linkEnded = () => [...readFileSync(join(a.dir, "nats/nats-server.log"), "utf8").matchAll(/Leafnode connection closed: (.*?) - Remote/g)].map(([, why]) => why).filter((why) => why !== "Stale Connection")
const write = async (text: string) => expect((await a.http("POST", "/conversations/keys/messages?wait=hosted", { role: "user", content: text })).json.reached.tier).toBe("hosted")

it("the signing key of links: asked for at any process, made by the admin role, in every machine's token within seconds", { timeout }, async () => {
  const before = issuer()
  const rotated = await second.cli("keys", "rotate", "nats", "--on", "hosted", "--json")
  expect([rotated.code, rotated.err]).toEqual([0, ""])
  const { key_id, previous_key_id, status } = JSON.parse(rotated.out) as { readonly status: string; readonly key_id: string; readonly previous_key_id: string }
  expect([status, previous_key_id]).toEqual(["rotated", before])
  for (const hosted of [first, second]) await until(async () => JSON.stringify(await natsKeys(hosted)) === JSON.stringify([[before, "in_grace"], [key_id, "current"]]), 10_000)
  await until(() => issuer() === key_id, 30_000, () => a.log().slice(-2000))
  await write("after it")
  // nor is it dialled anew for the machine's own keys, and the secret it shares with hosted
  for (const which of ["pairing", "identity"]) expect((await a.http("POST", "/keys/rotate", { which })).json.status).toBe("rotated")
  await write("after the machine's own")
  expect(linkEnded()).toEqual([])
  // once more, and over a start of everything: what was made is what is gone by
  expect((await first.cli("keys", "rotate", "nats", "--on", "hosted")).code).toBe(0)
  const third = (await natsKeys(first)).at(-1)?.[0]
  await until(() => issuer() === third, 30_000, () => a.log().slice(-2000))
  await Promise.all([first.stop(), second.stop(), a.stop()])
  await first.start()
  await Promise.all([second.start(), a.start()])
  for (const hosted of [first, second]) expect(await natsKeys(hosted)).toEqual([[before, "in_grace"], [key_id, "in_grace"], [third, "current"]])
  await write("after a start")
  await agreed(tenant, first, [a])
})

it("what is no key of that side is refused, with what can be done instead", { timeout }, async () => {
  for (const [backend, which, hint] of [[a, "nats", "--on hosted"], [a, "nonsense", "no key of that name"], [first, "pairing", "on that machine"], [first, "master", "hosted rekey"]] as const) {
    const refused = await backend.cli("keys", "rotate", which, ...backend.side === "hosted" ? ["--on", "hosted"] : [])
    expect([refused.code, refused.out]).toEqual([4, ""])
    expect(refused.err).toContain(hint)
  }
})

it("the master key: while nothing runs, twice, and not with a wrong one", { timeout }, async () => {
  const next = randomBytes(32).toString("base64url")
  const env = { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: first.home }
  const rekey = (more: Readonly<Record<string, string>>) => run([maestra, "hosted", "rekey"], { ...env, ...more })
  const running = await rekey({ MAESTRA_NEW_MASTER_KEY: next })
  expect([running.code === 0, running.err]).toEqual([false, expect.stringContaining("runs on")])
  await second.stop()
  await first.stop()
  expect((await rekey({})).code).toBe(2)
  expect((await rekey({ MAESTRA_NEW_MASTER_KEY: next, MAESTRA_MASTER_KEY: randomBytes(32).toString("base64url") })).code).not.toBe(0)
  for (const again of [1, 2]) expect([again, await rekey({ MAESTRA_NEW_MASTER_KEY: next })]).toEqual([again, expect.objectContaining({ code: 0 })])
  await expect(first.start()).rejects.toThrow(/ended while starting/)
  const anew = await world.hosted("first", { leafPort: world.leafPort(first), env: { MAESTRA_MASTER_KEY: next } })
  await write("under the new master key")
  const { entries } = (await anew.http<{ readonly entries: ReadonlyArray<{ readonly type: string; readonly by: string; readonly data: Readonly<Record<string, unknown>> }> }>("GET", "/audit?limit=500&tenant=_")).json
  expect(entries.filter(({ data, type }) => type === "key.rotated" && data["of"] === "master").map(({ by }) => by)).toEqual(["operator", "operator"])
  await agreed(tenant, anew, [a])
})
