// Goal: nobody gets in, reads or writes with codes, tokens, proofs and keys that are not theirs; and refusing costs nobody anything.
// Method: a real hosted backend and a real device; a machine without our program sends everything it can think of.
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { generateKeyPairSync } from "node:crypto"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { type Code, enrol, hour, makeRawPeer, proofOf, type RawPeer, registerRaw, tokenFor } from "../support/rawPeer.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

/** Long enough for a pairing on a busy machine, short enough to wait for its end. */
const pairingMinutes = 0.7
const iso = (millis: number) => new Date(millis).toISOString()

let world: World
let hosted: Backend
let ada: Backend
let tenant: string
let old: Code
let mallory: RawPeer
let other: RawPeer
/** Mallory's own user is bob; ada is the neighbour. */
let code: Code

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted("hosted", { args: ["--pairing-minutes", String(pairingMinutes)] })
  ada = await world.local("ada")
  tenant = await world.pair(hosted, ada)
  old = await enrol(hosted, "bob")
  mallory = await makeRawPeer("mallory")
  other = await makeRawPeer("other")
  const sent = await ada.http("POST", "/conversations/private/messages", { role: "user", content: "for ada only" })
  assert.strictEqual(sent.status, 201)
  await agreed(tenant, hosted, [ada])
}, 120_000)
afterAll(() => world.close(), 60_000)

const typeOf = (json: { readonly type?: string }): string => json.type?.split(":").at(-1) ?? ""

interface Attempt {
  readonly what: string
  readonly send: () => Promise<Awaited<ReturnType<typeof registerRaw>>>
  readonly status: number
  readonly type?: string
}
const claims = (change: Parameters<typeof tokenFor>[3]) => async () => registerRaw(hosted, mallory, await tokenFor(hosted, mallory, code, change))
const sending = (change: (token: Awaited<ReturnType<typeof tokenFor>>) => Parameters<typeof registerRaw>[3]) => async () => {
  const token = await tokenFor(hosted, mallory, code)
  return registerRaw(hosted, mallory, token, change(token))
}

const attempts: ReadonlyArray<Attempt> = [
  { what: "a secret nobody handed out", send: async () => registerRaw(hosted, mallory, await tokenFor(hosted, mallory, { ...code, secret: new Uint8Array(32) })), status: 401, type: "wrong-code" },
  { what: "a code of another user", send: async () => registerRaw(hosted, mallory, await tokenFor(hosted, mallory, { ...code, user: "ada" })), status: 401, type: "wrong-code" },
  { what: "a user nobody enrolled", send: async () => registerRaw(hosted, mallory, await tokenFor(hosted, mallory, { ...code, user: "nobody" })), status: 401, type: "wrong-code" },
  { what: "an expired token", send: claims({ created_at: iso(Date.now() - 2 * hour), expires_at: iso(Date.now() - hour) }), status: 401, type: "token-refused" },
  { what: "a token longer than 8 hours", send: claims({ expires_at: iso(Date.now() + 8 * hour + 60_000) }), status: 401, type: "token-refused" },
  { what: "a token from the future", send: claims({ created_at: iso(Date.now() + 120_000) }), status: 401, type: "token-refused" },
  { what: "a token that ends before it begins", send: claims({ expires_at: iso(Date.now() - hour) }), status: 401, type: "token-refused" },
  { what: "a token for another hosted backend", send: claims({ hosted_backend_id: `hosted_sha256_${"0".repeat(64)}` }), status: 401 },
  { what: "another backend's token", send: async () => registerRaw(hosted, mallory, await tokenFor(hosted, other, code)), status: 401, type: "other-backends" },
  { what: "a token whose user was changed", send: sending((token) => ({ bearer: encodeBearer({ ...token, user_id: "ada" }) })), status: 401 },
  { what: "a token that was prolonged", send: sending((token) => ({ bearer: encodeBearer({ ...token, expires_at: iso(Date.now() + 7 * hour) }) })), status: 401 },
  { what: "a token with another MAC", send: sending((token) => ({ bearer: encodeBearer({ ...token, signature: token.signature.replace(/^./, (digit) => digit === "0" ? "1" : "0") }) })), status: 401 },
  { what: "a token that is none", send: sending(() => ({ bearer: "bm90IGEgdG9rZW4" })), status: 401, type: "token-refused" },
  { what: "a proof by another key", send: sending((token) => ({ proof: proofOf({ identity: mallory.identity, pair: other.pair }, token.signature) })), status: 401, type: "proof-invalid" },
  { what: "a proof of another session", send: sending(() => ({ proof: proofOf(mallory, "0".repeat(64)) })), status: 401, type: "proof-invalid" },
  { what: "an identity changed after it was proved", send: sending(() => ({ identity: { ...mallory.identity, wrap_key: other.identity.wrap_key } })), status: 401, type: "proof-invalid" },
  { what: "an identity that is none", send: sending(() => ({ identity: { backend_id: mallory.backendId } })), status: 400, type: "malformed-identity" },
  { what: "a transport key that is none", send: sending(() => ({ transportKey: "SUNOTAKEY" })), status: 400, type: "transport-key" },
  {
    what: "a key too short to mean anything",
    send: async () => {
      const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ type: "spki", format: "pem" }).toString()
      return registerRaw(hosted, mallory, await tokenFor(hosted, mallory, code), { identity: { ...mallory.identity, public_key: weak } })
    },
    status: 401,
    type: "proof-invalid"
  }
]

describe("registering", { timeout: 120_000 }, () => {
  it.each(attempts)("with $what is refused", async ({ send, status, type }) => {
    code ??= await enrol(hosted, "bob")
    const answer = await send()
    assert.strictEqual(answer.status, status, answer.text)
    if (type !== undefined) assert.strictEqual(typeOf(answer.json), type, answer.text)
    assert.notInclude(answer.text, Buffer.from(code.secret).toString("base64url"))
  })

  it("left no trace of any of these: no device, no word in the log", async () => {
    const { json } = await hosted.http("GET", "/peers")
    assert.deepStrictEqual((json.peers as ReadonlyArray<{ readonly user_id: string }>).map(({ user_id }) => user_id), ["ada"])
  })

  it("with a code that is good works once, and again only for the same backend and key", async () => {
    code = await enrol(hosted, "bob")
    const first = await registerRaw(hosted, mallory, await tokenFor(hosted, mallory, code))
    assert.strictEqual(first.status, 200, first.text)
    assert.strictEqual(first.json.status, "registered")
    assert.strictEqual((await registerRaw(hosted, mallory, await tokenFor(hosted, mallory, code))).json.status, "renewed")
    const second = await registerRaw(hosted, other, await tokenFor(hosted, other, code))
    assert.deepStrictEqual([second.status, typeOf(second.json)], [401, "wrong-code"])
    const stolen: RawPeer = { ...other, backendId: mallory.backendId, identity: { ...other.identity, backend_id: mallory.backendId } }
    const otherKey = await registerRaw(hosted, stolen, await tokenFor(hosted, stolen, code))
    assert.deepStrictEqual([otherKey.status, typeOf(otherKey.json)], [409, "other-key"])
  })

  it("by `local pair` with a code that is mistyped, of another hosted backend, or used: said in words, nothing kept", async () => {
    const eve = await world.local("eve")
    const elsewhere = await world.hosted("elsewhere")
    const wrongKey = (await enrol(elsewhere, "bob")).text
    await elsewhere.stop()
    // last, since it is good for less than a minute here
    const good = await enrol(hosted, "bob")
    const rows = [
      [good.text.slice(0, -3), /not copied whole/],
      [good.text.replace(/.(?=.{20}$)/, (letter) => letter === "A" ? "B" : "A"), /not copied whole/],
      ["maestra", /begins with maestra-/],
      [code.text, /wrong, was used by another device, or is older than ten minutes/],
      [wrongKey, /does not answer/]
    ] as const
    for (const [text, why] of rows) {
      const ran = await eve.cli("local", "pair", text)
      assert.notStrictEqual(ran.code, 0, text)
      assert.match(ran.err, why)
      if (text.length > 20) assert.notInclude(ran.err, text)
    }
    assert.strictEqual((await eve.http("GET", "/status")).json.state, "not_paired")
    // none of these cost the good one
    assert.strictEqual((await eve.cli("local", "pair", good.text)).code, 0)
    assert.strictEqual((await eve.cli("local", "pair", (await enrol(hosted, "bob")).text)).code === 0, false, "already paired")
  })

  it("with a code that is too old is refused", async () => {
    await until(() => Date.now() > old.expiresAt, 60_000)
    const late = await registerRaw(hosted, other, await tokenFor(hosted, other, old))
    assert.deepStrictEqual([late.status, typeOf(late.json)], [401, "wrong-code"])
  })
})

describe("a session of another user", { timeout: 60_000 }, () => {
  const as = async (change: Parameters<typeof tokenFor>[3], method: string, path: string, body?: unknown) => {
    const response = await fetch(`${hosted.url()}${path}`, {
      method,
      headers: { authorization: `Bearer ${encodeBearer(await tokenFor(hosted, mallory, code, change))}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, text: await response.text() }
  }

  it("does not see ada's conversations, whichever way it asks", async () => {
    for (const path of ["/conversations", `/conversations?tenant=${tenant}`, "/export", `/export?tenant=${tenant}`, "/conflicts", `/digest?tenant=${tenant}`]) {
      const answer = await as({}, "GET", path)
      assert.notInclude(answer.text, "private", path)
      assert.notInclude(answer.text, "for ada only", path)
    }
    for (const path of ["/conversations/private", `/conversations/private?tenant=${tenant}`]) assert.strictEqual((await as({}, "GET", path)).status, 404, path)
  })

  it("writes into its own part only, even under the same name", async () => {
    const before = (await ada.http("GET", "/conversations/private")).text
    const sent = await as({}, "POST", "/conversations/private/messages", { role: "user", content: "from mallory" })
    assert.strictEqual(sent.status, 201, sent.text)
    const more = await ada.http("POST", "/conversations/later/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "still here" })
    assert.strictEqual(more.json.reached.tier, "hosted")
    assert.strictEqual((await ada.http("GET", "/conversations/private")).text, before)
    assert.notInclude((await hosted.http("GET", `/conversations/private?tenant=${tenant}`)).text, "from mallory")
  })

  it("does not operate hosted", async () => {
    for (const [method, path] of [["GET", "/peers"], ["POST", "/enroll"], ["GET", "/status"], ["POST", `/verify?tenant=${tenant}`], ["POST", "/rebuild"], ["DELETE", "/peers/peer_0000000000000000"]] as const) {
      assert.strictEqual((await as({}, method, path, method === "POST" ? { user: "eve" } : undefined)).status, 403, path)
    }
  })

  it.each([
    ["expired", () => ({ created_at: iso(Date.now() - 2 * hour), expires_at: iso(Date.now() - hour) })],
    ["longer than allowed", () => ({ expires_at: iso(Date.now() + 9 * hour) })],
    ["in ada's name", () => ({ user_id: "ada" })],
    ["of a backend that is not registered", () => ({ local_backend_id: other.backendId })],
    ["for another hosted backend", () => ({ hosted_backend_id: `hosted_sha256_${"1".repeat(64)}` })]
  ] as const)("that is %s reads nothing", async (_, change) => {
    assert.strictEqual((await as(change(), "GET", "/conversations")).status, 401)
  })

  it("leaves both logs whole", async () => {
    for (const whose of [tenant, code.tenant]) assert.strictEqual((await hosted.cli("verify", "--on", "hosted", "--tenant", whose)).code, 0)
    await agreed(tenant, hosted, [ada])
  })
})
