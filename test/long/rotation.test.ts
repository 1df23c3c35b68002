// Goal: keys are replaced while everything goes on: nothing acknowledged is lost, what an old key signs is refused after its grace, history verifies.
// Method: two hosted processes and two locals, importing while a local and then the deployment rotates; a raw peer with a grace of three seconds.
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { subjects } from "../../streams/subjects.ts"
import { frame } from "../../src/security/commit.ts"
import { generateKeys, keyId } from "../../src/security/keys.ts"
import { signRotation } from "../../src/security/proofs.ts"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { conversations, eventsOf, importing, verified, whole } from "../support/load.ts"
import { rawLeaf } from "../support/rawLeaf.ts"
import { type Code, enrol, makeRawPeer, type RawPeer, registerRaw, tokenFor, writerOf } from "../support/rawPeer.ts"
import { makeTwoHosted } from "../support/linked.ts"
import { type Backend, until, type World } from "../support/world.ts"

interface Rotated { readonly status: string; readonly key_id: string; readonly previous_key_id: string }
interface KeyRows { readonly keys: ReadonlyArray<{ readonly kind: string; readonly key_id: string; readonly status: string; readonly ends_at: string | null }> }

const timeout = 240_000
const perLocal = 60

let world: World
let first: Backend
let second: Backend
let a: Backend
let b: Backend
let c: Backend
/** What the deployment signs with once it has rotated. */
let deployment: string
let tenant: string

beforeAll(async () => {
  ;({ first, second, world } = await makeTwoHosted())
  ;[a, b] = await Promise.all([world.local("a"), world.local("b")])
  tenant = await world.pair(first, a)
  await world.pair(second, b)
}, timeout)
afterAll(() => world.close())

const importBoth = (part: number) => [a, b].map((local, i) => importing(local, conversations((2 * part + i) * perLocal, perLocal)))
const rotate = async (backend: Backend): Promise<Rotated> => {
  const { json, status, text } = await backend.http<Rotated>("POST", "/keys/rotate", {})
  if (status !== 200) throw new Error(`${backend.name}: ${status} ${text}`)
  return json
}
const keysOf = async (backend: Backend): Promise<KeyRows["keys"]> => (await backend.http<KeyRows>("GET", "/keys")).json.keys
const signsWith = async (backend: Backend) => (await keysOf(backend)).find(({ kind, status }) => kind === "signing" && status === "current")?.key_id
const typesOf = async () => {
  const { events } = await verified(first, tenant)
  return (await eventsOf(first, tenant, events)).map(({ type }) => type)
}
const expectWhole = async (locals: ReadonlyArray<Backend>) => {
  const result = await whole(tenant, first, locals)
  expect(result).toMatchObject({ problems: [], doubled: [] })
  await until(async () => (await verified(second, tenant)).ok, 20_000, () => "the second process finds something wrong")
  return result
}

describe("rotation", () => {
  it("of a local in the middle of an import: everybody learns the new key, and nothing is lost", { timeout }, async () => {
    const loads = importBoth(0)
    await until(() => loads[0]!.acknowledged().length > 0, 30_000)
    const rotated = await rotate(a)
    expect(rotated.status).toBe("rotated")
    await Promise.all(loads.map(({ done }) => done))
    await expectWhole([a, b])
    expect(await signsWith(a)).toBe(rotated.key_id)
    expect((await keysOf(a)).find(({ status }) => status === "in_grace")?.key_id).toBe(rotated.previous_key_id)
    expect(await typesOf()).toContain("key.rotated")
    const peer = (await a.http("GET", "/status")).json.peer_id
    for (const backend of [first, second, b]) {
      await until(async () => {
        const { peers } = (await backend.http<{ peers: ReadonlyArray<{ peer_id: string; key_id: string }> }>("GET", "/peers")).json
        return peers.find(({ peer_id }) => peer_id === peer)?.key_id === rotated.key_id
      }, 10_000, () => `${backend.name} does not show the new key`)
    }
  })

  it("of the deployment in the middle of imports: all processes change over, and a code made before still pairs", { timeout }, async () => {
    const code = await enrol(first, "ada")
    const loads = importBoth(1)
    await until(() => loads[0]!.acknowledged().length > 0, 30_000)
    const rotated = await rotate(second)
    deployment = rotated.key_id
    await until(async () => await signsWith(first) === deployment, 10_000, () => "the first process signs with the old key")
    await Promise.all(loads.map(({ done }) => done))
    // it names the old key; the log it leads to was signed with both
    c = await world.local("c")
    expect((await c.http("POST", "/pair", { code: code.text })).status).toBe(200)
    await expectWhole([a, b, c])
  })

  it("of a local that cannot reach hosted waits, over restarts of all, and comes about by itself", { timeout }, async () => {
    await Promise.all([first.stop(), second.stop()])
    const before = await signsWith(b)
    expect((await rotate(b)).status).toBe("pending")
    expect(await signsWith(b)).toBe(before)
    await Promise.all([a.stop(), b.stop()])
    await Promise.all([a.start(), b.start()])
    const prepared = (await keysOf(b)).find(({ status }) => status === "prepared")!
    await b.http("POST", "/conversations/alone/messages", { role: "user", content: "written meanwhile" })
    await first.start()
    // from a file that knows the deployment's first key only
    await second.start()
    expect(await Promise.all([first, second].map(signsWith))).toEqual([deployment, deployment])
    await until(async () => await signsWith(b) === prepared.key_id, 60_000, () => b.log().slice(-2000))
    await first.http("POST", "/enroll", { user: "ada" })
    await expectWhole([a, b, c])
  })

  it("ends what an old key may do when its grace ends: no commit, no registration, no sync", { timeout }, async () => {
    const raw = await makeRawPeer("rotating")
    const code: Code = await enrol(first, "ada")
    const writer = await writerOf(raw, await registerRaw(first, raw, await tokenFor(first, raw, code)))
    const next = await Effect.runPromise(generateKeys)
    const grace_ends_at = new Date(Date.now() + 3000).toISOString()
    const rotation = { peer_id: writer.author.id, public_key: next.publicPem, old_key_id: keyId(raw.pair.publicPem), grace_ends_at }
    const signature = await Effect.runPromise(signRotation(raw.pair.privateKey, rotation))
    const previous = { public_key: raw.pair.publicPem, replaced_at: new Date().toISOString(), grace_ends_at, signature }
    const rotated: RawPeer = { ...raw, pair: next, identity: { ...raw.identity, public_key: next.publicPem, wrap_key: next.publicPem, previous_keys: [previous] } }
    // nobody's word, a word for another key, a grace of years
    for (const bad of [[], [{ ...previous, signature: `${signature.slice(0, -4)}AAAA` }], [{ ...previous, grace_ends_at: "2036-01-01T00:00:00.000Z" }]]) {
      const refused = await registerRaw(first, { ...rotated, identity: { ...rotated.identity, previous_keys: bad } }, await tokenFor(first, raw, code))
      expect([refused.status, refused.json.type]).toEqual([409, "urn:maestra:problem:other-key"])
    }
    expect((await registerRaw(second, rotated, await tokenFor(first, raw, code))).json.status).toBe("renewed")

    const scope = Scope.makeUnsafe()
    const leaf = await Effect.runPromise(Scope.provide(rawLeaf(world.leafPort(first), writer), scope))
    leaf.subscribe(`_INBOX.${writer.author.id}.>`)
    let n = 0
    const commit = async (): Promise<string> => {
      const events = [writer.log.said(writer.author, "raw", `said ${n}`)]
      const reply = `_INBOX.${writer.author.id}.${n++}`
      const { prev, to } = writer.author
      leaf.publish(subjects.ingest(writer.log.tenant, writer.author.id, "commit"), frame(writer.log.record(writer.author, events).data, events.map(({ data }) => data)), reply)
      await until(() => leaf.bodies.has(reply), 10_000)
      const { verdict } = JSON.parse(leaf.bodies.get(reply)!)
      if (verdict !== "committed") Object.assign(writer.author, { prev, to })
      return verdict
    }
    expect(await commit()).toBe("committed")
    expect((await registerRaw(first, raw, await tokenFor(first, raw, code))).status).toBe(200)
    await until(() => new Date().toISOString() > grace_ends_at, 10_000)
    expect(await commit()).toBe("bad_signature")
    expect((await registerRaw(first, raw, await tokenFor(first, raw, code))).status).toBe(409)
    writer.author.pair = next
    expect(await commit()).toBe("committed")
    const synced = await fetch(`${first.url()}/sync/${writer.author.id}`, {
      method: "POST",
      headers: { authorization: `Bearer ${encodeBearer(await tokenFor(first, raw, code))}`, "content-type": "application/json" },
      body: JSON.stringify({ sync_id: "s", timestamp: new Date().toISOString(), conversations: [], signature: "c2ln" })
    })
    expect(synced.status).toBe(403)
    await Effect.runPromise(Scope.close(scope, Exit.void))
    const finished = await verified(first, tenant)
    expect(finished.problems).toEqual([])
  })
})
