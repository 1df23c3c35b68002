// Goal: a revoked machine is out within a second and stays out, whatever it knew; what it holds stays readable on it.
// Method: three real devices of one user, one of them revoked while it is writing; then everything a thief of its files could try.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { frame } from "../../src/security/commit.ts"
import { subjects } from "../../streams/subjects.ts"
import { type RawLeaf, rawLeaf } from "../support/rawLeaf.ts"
import { type Code, enrol, makeRawPeer, type RawPeer, registerRaw, stolenCreds, tokenFor, writerOf } from "../support/rawPeer.ts"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

/** What is promised: nothing flows any more within 1 s. */
const shutWithinMs = 1000

let world: World
let hosted: Backend
let ada: Backend
let lost: Backend
let tenant: string
let peer: string
let raw: RawPeer
let code: Code
let writer: Awaited<ReturnType<typeof writerOf>>
let leaf: RawLeaf
const scope = Scope.makeUnsafe()
const connect = (identity: { readonly jwt: string; readonly seed: string }) => Effect.runPromise(Scope.provide(rawLeaf(world.leafPort(hosted), identity), scope))
const typeOf = (json: { readonly type?: string }): string => json.type?.split(":").at(-1) ?? ""
const statusOf = async (backend: Backend) => (await backend.http("GET", "/status")).json
const contentsOf = async (backend: Backend): Promise<string> => (await backend.http("GET", `/conversations/shared${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)).text

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  ada = await world.local("ada")
  lost = await world.local("lost")
  tenant = await world.pair(hosted, ada)
  await world.pair(hosted, lost)
  peer = (await statusOf(lost)).peer_id
  await ada.http("POST", "/conversations/shared/messages", { role: "user", content: "before" })
  await agreed(tenant, hosted, [ada, lost])
  // a device without our program, whose keys and secrets the test knows
  raw = await makeRawPeer("raw")
  code = await enrol(hosted, "ada")
  writer = await writerOf(raw, await registerRaw(hosted, raw, await tokenFor(hosted, raw, code)))
  leaf = await connect(writer)
  leaf.subscribe(`_INBOX.${writer.author.id}.>`)
}, 120_000)
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await world.close()
}, 60_000)

/** The raw device's next commit as a request; the chain moves on only with what is committed. */
const send = (leaf: RawLeaf, n: number): string => {
  const { author, log } = writer
  const events = [log.said(author, "shared", `raw ${n}`)]
  const reply = `_INBOX.${author.id}.${n}`
  leaf.publish(subjects.ingest(log.tenant, author.id, "commit"), frame(log.record(author, events).data, events.map(({ data }) => data)), reply)
  return reply
}

describe("a revoked machine", { timeout: 90_000 }, () => {
  it("is shut out within a second, in the middle of what it sends", async () => {
    const bearer = encodeBearer(await tokenFor(hosted, raw, code))
    const reads = async () => (await fetch(`${hosted.url()}/conversations`, { headers: { authorization: `Bearer ${bearer}` } })).status
    assert.strictEqual(await reads(), 200)
    let committed = 0
    let last = 0
    let n = 0
    const writing = (async () => {
      while (!leaf.closed()) {
        const reply = send(leaf, ++n)
        await until(() => leaf.bodies.has(reply) || leaf.closed(), 10_000)
        if (leaf.bodies.get(reply)?.includes("\"committed\"") !== true) break
        committed++
        last = performance.now()
        await new Promise((wait) => setTimeout(wait, 20))
      }
    })()
    await until(() => committed > 3, 10_000)
    const began = performance.now()
    const ran = await hosted.http("DELETE", `/peers/${writer.author.id}?cause=lost`)
    const done = performance.now()
    assert.isBelow(ran.status, 300, ran.text)
    await writing
    await until(() => leaf.closed(), 5000, () => "the leaf is still up")
    const shut = performance.now() - began
    assert.isBelow(last - began, shutWithinMs, `last commit ${last - began} ms after`)
    assert.isBelow(shut, shutWithinMs + (done - began), `leaf cut after ${shut} ms`)
    assert.strictEqual(await reads(), 403)
  })

  it("does not come back under its own id, nor under another with what it knew", async () => {
    const same = await registerRaw(hosted, raw, await tokenFor(hosted, raw, code))
    assert.deepStrictEqual([same.status, typeOf(same.json)], [403, "revoked"], same.text)
    const other = await makeRawPeer("another id")
    const renamed = await registerRaw(hosted, other, await tokenFor(hosted, other, code))
    assert.deepStrictEqual([renamed.status, typeOf(renamed.json)], [401, "wrong-code"], renamed.text)
    // its own keys and transport key under another id
    const disguised: RawPeer = { ...raw, backendId: other.backendId, identity: { ...raw.identity, backend_id: other.backendId } }
    assert.strictEqual((await registerRaw(hosted, disguised, await tokenFor(hosted, disguised, code))).status, 401)
    // the neighbour's id, with the secret of its own
    const neighbour = { ...raw, backendId: (await statusOf(ada)).backend_id }
    const taken = await registerRaw(hosted, { ...neighbour, identity: { ...raw.identity, backend_id: neighbour.backendId } }, await tokenFor(hosted, neighbour, code))
    assert.strictEqual(taken.status, 401, taken.text)
  })

  it("has no leaf any more, not after the hub started again either", async () => {
    const again = await connect(writer)
    await until(again.closed, 10_000, () => "the leaf was let in")
    await hosted.stop()
    await hosted.start()
    const later = await connect(writer)
    await until(later.closed, 10_000, () => "the leaf was let in after a restart")
  })

  it("with our program says so, keeps everything readable, and goes on writing for itself", async () => {
    await until(async () => (await statusOf(lost)).state === "in_step", 30_000)
    const began = performance.now()
    const ran = await hosted.cli("hosted", "revoke", peer)
    assert.strictEqual(ran.code, 0, ran.err)
    await until(async () => (await statusOf(lost)).state === "needs_you", 30_000, () => lost.log().slice(-2000))
    const status = await statusOf(lost)
    assert.match(status.sentence, /^needs you: .*revoked/)
    assert.isBelow(performance.now() - began, 30_000)
    assert.include(await contentsOf(lost), "before")
    const sent = await lost.http("POST", "/conversations/shared/messages", { role: "user", content: "written alone" })
    assert.strictEqual(sent.status, 201, sent.text)
    assert.include(await contentsOf(lost), "written alone")
    await ada.http("POST", "/conversations/shared/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "after the revocation" })
    assert.notInclude(await contentsOf(hosted), "written alone")
    assert.notInclude(await contentsOf(lost), "after the revocation")
    assert.isAbove((await statusOf(lost)).pending, 0, "kept, to send")
    assert.strictEqual((await statusOf(lost)).state, "needs_you")
  })

  it("stays out over its own restart, and with its leaf's file in another place", async () => {
    const thief = await connect(stolenCreds(lost))
    await until(thief.closed, 10_000)
    await lost.stop()
    await lost.start()
    await until(async () => (await statusOf(lost)).state === "needs_you", 60_000, () => lost.log().slice(-2000))
    assert.include(await contentsOf(lost), "written alone")
    assert.notInclude(await contentsOf(hosted), "written alone")
  })

  it("is told apart by everybody: hosted's list, and the log every device reads", async () => {
    const { json } = await hosted.http("GET", "/peers")
    const gone = (json.peers as ReadonlyArray<{ readonly peer_id: string; readonly status: string }>).filter(({ status }) => status === "revoked").map(({ peer_id }) => peer_id)
    assert.sameMembers(gone, [peer, writer.author.id])
    await until(async () => {
      const { json: seen } = await ada.http("GET", "/peers")
      return (seen.peers as ReadonlyArray<{ readonly peer_id: string; readonly status: string }>).filter(({ peer_id, status }) => gone.includes(peer_id) && status === "revoked").length === 2
    }, 20_000, () => "ada does not see the revocations")
    assert.strictEqual((await ada.cli("verify")).code, 0)
    assert.strictEqual((await hosted.cli("verify", "--on", "hosted", "--tenant", tenant)).code, 0)
  })

  it("with a new code comes back neither, but a new data directory does, and gets everything", async () => {
    const fresh = await enrol(hosted, "ada")
    const refused = await lost.cli("local", "pair", fresh.text)
    assert.notStrictEqual(refused.code, 0)
    assert.match(refused.err, /revoked/)
    const anew = await world.local("anew")
    const paired = await anew.cli("local", "pair", fresh.text)
    assert.strictEqual(paired.code, 0, paired.err)
    await agreed(tenant, hosted, [ada, anew])
    assert.include(await contentsOf(anew), "after the revocation")
  })

  it("copied to another place is still the same machine, and out", async () => {
    await lost.stop()
    const home = join(world.dir, "copy")
    cpSync(lost.home, home, { recursive: true })
    rmSync(join(home, "local", "runtime.json"), { force: true })
    const copy = await world.local("copy", { home })
    await until(async () => (await statusOf(copy)).state === "needs_you", 60_000, () => copy.log().slice(-2000))
    assert.include(await contentsOf(copy), "written alone")
  })
})
