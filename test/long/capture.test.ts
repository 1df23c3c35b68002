// Goal: of what a person may not want others to see, nothing crosses the wire: neither the leaf link nor hosted's HTTP and WebSocket.
// Method: real processes, a relay before each of hosted's two ports; personal data planted in every field; every recorded byte looked through.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decodePairingCode, encodePairingCode } from "../../src/security/pairingCode.ts"
import { openSurface, settle } from "../support/companion.ts"
import { done, linkedHosted, statusOf } from "../support/linked.ts"
import type { Link } from "../support/tcpLink.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let local: Backend
let leaf: Link
let web: Link
let tenant: string
let records: ReadonlyArray<{ readonly stop: () => Buffer }>

beforeAll(async () => {
  world = await makeWorld()
  ;({ hosted, link: leaf } = await linkedHosted(world))
  web = await world.link(Number(new URL(hosted.url()).port))
  local = await world.local("a")
  records = [leaf.record(), web.record()]
  const enrolled = await done<{ readonly code: string; readonly tenant: string }>(hosted, "POST", "/enroll", { user: "ada" })
  tenant = enrolled.tenant
  // the same code, with the relay's address in it: registration and whatever else goes there is seen
  await done(local, "POST", "/pair", { code: encodePairingCode({ ...Result.getOrThrow(decodePairingCode(enrolled.code)), url: `http://127.0.0.1:${web.port}` }) })
}, 300_000)
afterAll(() => world.close(), 60_000)

const planted = [
  "zelda.title@example.org", "zelda.content@example.org", "zelda.edit@example.org", "zelda.role@example.org", "zelda.conversation@example.org",
  "zelda.message@example.org", "zelda.session@example.org", "zelda.key@example.org", "zelda.value@example.org", "zelda.surface@example.org",
  "+14155550132", "4111111111111111", "219-09-9999"
]
/** What a client's WebSocket frames say: on the wire each is masked with four bytes of its own (RFC 6455, 5.3). */
const unmasked = (bytes: Buffer): ReadonlyArray<Buffer> => {
  const said: Array<Buffer> = []
  for (let at = bytes.indexOf(0x81); at >= 0; at = bytes.indexOf(0x81, at + 1)) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    const head = at + (short === 126 ? 4 : 2)
    if (((bytes[at + 1] ?? 0) & 0x80) === 0 || short === 127 || bytes.length < head + 4) continue
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short
    said.push(Buffer.from(bytes.subarray(head + 4, head + 4 + length).map((byte, i) => byte ^ bytes[head + i % 4]!)))
  }
  return said
}
/** The bytes as they are, what WebSocket frames say, and what every run of base64url in them says: tokens and envelopes are written so. */
const readable = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, ...unmasked(bytes), ...[...bytes.toString("latin1").matchAll(/[\w-]{16,}/g)].map(([run]) => Buffer.from(run, "base64url"))])
const foundIn = (bytes: Buffer, texts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const all = readable(bytes)
  return texts.filter((text) => [text, encodeURIComponent(text)].some((spelling) => all.includes(spelling)))
}
const say = (conversation: string, id: string, content: string, more: object = {}) =>
  done(local, "POST", `/conversations/${encodeURIComponent(conversation)}/messages`, { id, role: "user", content, ...more })

describe("a capture of everything between a local backend and hosted", { timeout: 120_000 }, () => {
  it("holds nothing of the personal data planted in every field", async () => {
    const conversation = "zelda.conversation@example.org"
    await done(local, "POST", "/conversations", { conversation_id: conversation, title: "of zelda.title@example.org" })
    await say(conversation, "zelda.message@example.org", "ask zelda.content@example.org or +14155550132, 4111111111111111, ssn 219-09-9999", { role: "zelda.role@example.org" })
    await say("c1", "m1", "first", { surface: "zelda.surface@example.org" })
    for (const content of ["second", "third, zelda.edit@example.org"]) await done(local, "PUT", "/conversations/c1/messages/m1", { content })
    await done(local, "POST", "/telemetry", {
      event_id: "e1", event_type: "capture", session_id: "zelda.session@example.org", timestamp: "2026-11-22T10:00:00Z", source_backend: "local",
      metadata: { "zelda.key@example.org": 1, nested: [{ deep: "zelda.value@example.org" }] }
    })
    await agreed(tenant, hosted, [local])
    const told = (await hosted.http("GET", `/conversations/c1?tenant=${tenant}`)).text
    assert.include(told, "third, [REDACTED_EMAIL]")
    await until(async () => (await hosted.http("GET", `/telemetry?tenant=${tenant}`)).text.includes("capture"), 30_000, () => "the telemetry did not come")
    const [overLeaf, overHttp] = records.map(({ stop }) => stop())
    const peer_id = (await statusOf(local)).peer_id!
    // what may be read on the wire is: nothing is compressed or encrypted on the way, so that searching means something
    assert.deepStrictEqual(foundIn(overLeaf!, [peer_id, "c1", `"alg":`]), [peer_id, "c1", `"alg":`])
    assert.include(overHttp!.toString("latin1"), peer_id)
    for (const bytes of [overLeaf!, overHttp!]) assert.deepStrictEqual(foundIn(bytes, planted), [])
    // sealed besides: not even what nobody redacts is there
    assert.deepStrictEqual(foundIn(overLeaf!, ["third, ", "second"]), [])
  })

  it("holds nothing of it in what a surface of hosted sends over HTTP and WebSocket", async () => {
    const { code } = await done<{ readonly code: string }>(hosted, "POST", "/enroll", { user: "ada" })
    const surface = await openSurface("web")
    await surface.joinHosted(encodePairingCode({ ...Result.getOrThrow(decodePairingCode(code)), url: `http://127.0.0.1:${web.port}` }))
    await settle(surface)
    const record = web.record()
    const conversation = "zelda.conversation@example.org"
    await surface.create({ id: conversation, title: "of zelda.title@example.org" })
    await surface.append(conversation, { id: "zelda.message@example.org", role: "zelda.role@example.org", content: "ask zelda.content@example.org or +14155550132, 4111111111111111, ssn 219-09-9999" })
    await surface.append("c-surface", { id: "m1", role: "user", content: "first" })
    await surface.edit("c-surface", "m1", "again, zelda.edit@example.org")
    await surface.emit({
      event_type: "capture_zelda.type@example.org", event_id: "zelda.event@example.org", session_id: "zelda.session@example.org", model: "zelda.model@example.org",
      metadata: { "zelda.key@example.org": 1, nested: [{ deep: "zelda.value@example.org" }], note: "call +14155550132, 4111111111111111, 219-09-9999" }
    })
    surface.start()
    await until(async () => (await surface.status()).pending === 0 && (await surface.status()).telemetry.waiting === 0, 30_000)
    await surface.close()
    const bytes = record.stop()
    // both were seen and could be read: a frame of telemetry, and the commits of a sync
    assert.deepStrictEqual(foundIn(bytes, ["upgrade: websocket", "\"event_type\":", "c-surface"]).length, 3)
    assert.strictEqual((await surface.status()).telemetry.refused, 0)
    assert.deepStrictEqual(foundIn(bytes, [...planted, "zelda.type@example.org", "zelda.event@example.org", "zelda.model@example.org"]), [])
    await until(async () => (await hosted.http("GET", `/conversations/c-surface?tenant=${tenant}`)).text.includes("again, [REDACTED_EMAIL]"), 30_000)
  })

  it("holds not one event of a surface that is not allowed", async () => {
    const about = async () => (await hosted.http<{ readonly messages: ReadonlyArray<{ readonly id: string }> }>("GET", `/conversations/c1?tenant=${tenant}`)).json.messages.map(({ id }) => id)
    await done(local, "PUT", "/privacy-settings", { allowed_surfaces: ["cli"] })
    const record = leaf.record()
    await say("kept-here", "m2", "from a surface that stays", { surface: "web" })
    await say("c1", "m3", "from one that may go", { surface: "cli" })
    await until(async () => (await about()).includes("m3"), 30_000, () => "m3 did not come")
    const bytes = record.stop()
    assert.deepStrictEqual(foundIn(bytes, ["kept-here", "from a surface that stays"]), [])
    assert.strictEqual((await hosted.http("GET", `/conversations/kept-here?tenant=${tenant}`)).status, 404)
  })

  it("holds no byte while paused", async () => {
    // in the middle of sending
    const sending = Array.from({ length: 20 }, (_, i) => say("c1", `burst-${i}`, "on the way", { surface: "cli" }))
    await done(local, "POST", "/pause")
    // what was on the wire at the answer has come through the relay within the 100 ms a pause may take
    await new Promise((wait) => setTimeout(wait, 100))
    const before = [leaf.bytes(), web.bytes()]
    await say("c1", "m4", "while paused", { surface: "cli" })
    await done(local, "POST", "/telemetry", { event_id: "e2", event_type: "capture", session_id: "s", timestamp: "2026-11-22T10:00:00Z", source_backend: "local", metadata: {} })
    await new Promise((wait) => setTimeout(wait, 2_000))
    assert.deepStrictEqual([leaf.bytes(), web.bytes()], before)
    await Promise.all(sending)
    assert.strictEqual((await statusOf(local)).state, "paused")
    await done(local, "POST", "/resume")
    await until(async () => (await hosted.http("GET", `/conversations/c1?tenant=${tenant}`)).text.includes("m4"), 30_000, () => "what waited did not come")
    assert.isAbove(leaf.bytes(), before[0]!)
  })
})
