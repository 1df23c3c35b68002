import { deepStrictEqual, match, ok, strictEqual } from "node:assert"
import { fromBase64url, toBase64url, utf8 } from "../../src/security/portable/bytes.ts"
import { recordDigest } from "../../src/security/portable/commit.ts"
import { digestOf } from "../../src/security/portable/digest.ts"
import { type Identity, verifyIdentityProof } from "../../src/security/portable/proofs.ts"
import { generateKeyPairs } from "../../src/security/portable/keys.ts"
import type { Answer, Client, Json } from "./Client.ts"
import { eventsOf } from "./eventsOf.ts"

/** One thing a backend must do. Cases run in order, over one companion; each uses conversations of its own. */
export interface Case {
  readonly name: string
  readonly run: (client: Client) => Promise<void>
}

const list = (body: Json, field: string): ReadonlyArray<Json> => body[field] as ReadonlyArray<Json>
const part = (body: Json, field: string): Json => body[field] as Json
const fresh = (name: string): string => `${name}-${crypto.randomUUID()}`
const changed = (answer: Answer, conversation: string): Json | undefined => list(answer.body, "changes").find(({ conversation_id }) => conversation_id === conversation)

/** Refused as RFC 9457 says, with a stable name and a hint. */
const refused = (answer: Answer, status: number, name?: string): void => {
  strictEqual(answer.status, status, JSON.stringify(answer.body))
  match(answer.type, /^application\/problem\+json/)
  strictEqual(answer.body["status"], status)
  for (const field of ["type", "title", "detail", "hint"]) ok(typeof answer.body[field] === "string" && answer.body[field] !== "", field)
  if (name !== undefined) strictEqual(answer.body["type"], `urn:maestra:problem:${name}`)
}

const verdictOf = (answer: Answer, at = 0): Json => {
  strictEqual(answer.status, 200, JSON.stringify(answer.body))
  return list(answer.body, "verdicts")[at]!
}

const everything = async (client: Client): Promise<Answer> => {
  const all: Array<Json> = []
  let cursor: unknown
  for (;;) {
    const answer = await client.sync(cursor === undefined ? {} : { cursor })
    strictEqual(answer.status, 200)
    all.push(...list(answer.body, "changes"))
    cursor = answer.body["cursor"]
    if (answer.body["next_sync_in_ms"] !== 0) return { ...answer, body: { ...answer.body, changes: all } }
  }
}

const message = (id: string, content: string, version = 0, more: Json = {}): Json => ({ id, role: "user", content, version, ...more })

export const cases: ReadonlyArray<Case> = [
  {
    name: "identity: whoever answers holds the key it shows",
    run: async (client) => {
      const challenge = fresh("challenge")
      const { body, status } = await client.ask("GET", `/identity?challenge=${challenge}`)
      strictEqual(status, 200)
      ok(await verifyIdentityProof(body["identity"] as Identity, challenge, String(body["proof"])))
      ok(!(await verifyIdentityProof(body["identity"] as Identity, "another", String(body["proof"]))))
    }
  },
  {
    name: "registration: refused without the proof, taken with it, renewed when repeated",
    run: async (client) => {
      refused(await client.register({ proof: toBase64url(crypto.getRandomValues(new Uint8Array(256))) }), 401, "proof-invalid")
      refused(await client.ask("POST", "/register-peer", { body: { backend_identity: client.identity } }), 400, "invalid-request")
      const first = await client.register()
      strictEqual(first.status, 200, JSON.stringify(first.body))
      match(client.peer, /^peer_[0-9a-f]{16}$/)
      ok(String(first.body["sync_endpoint"]).endsWith(`/sync/${client.peer}`))
      strictEqual(client.keys[0]?.kid, `${client.tenant}.1`)
      strictEqual((await client.register()).body["status"], "renewed")
    }
  },
  {
    name: "registration: another key for a known backend is refused",
    run: async (client) => {
      const other = await generateKeyPairs(false)
      const answer = await client.register({ identity: { public_key: other.signing.publicPem } })
      ok(answer.status === 401 || answer.status === 409, String(answer.status))
    }
  },
  {
    name: "sessions: changed, ended, too long, from the future, of another backend: refused",
    run: async (client) => {
      const at = (millis: number) => new Date(Date.now() + millis).toISOString()
      const bad = [
        await client.bearer({ created_at: at(-7200_000), expires_at: at(-3600_000) }),
        await client.bearer({ expires_at: at(9 * 3600_000) }),
        await client.bearer({ created_at: at(300_000), expires_at: at(600_000) }),
        await client.bearer({ hosted_backend_id: `hosted_sha256_${"0".repeat(64)}` }),
        `${(await client.bearer()).slice(0, -2)}AA`, "", "nonsense"
      ]
      for (const bearer of bad) refused(await client.ask("GET", "/conversations", { bearer }), 401)
      strictEqual((await client.ask("GET", "/conversations")).status, 200)
    }
  },
  {
    name: "simple client: messages in, read back, with surface and via this companion",
    run: async (client) => {
      const id = fresh("simple")
      const answer = await client.sync({ sync_id: "s-1", conversations: [{ conversation_id: id, title: "Simple", version: 0, messages: [message("m1", "hello"), message("m2", "world")] }] })
      strictEqual(answer.status, 200, JSON.stringify(answer.body))
      deepStrictEqual([answer.body["status"], answer.body["acked_sync_id"], answer.body["verdicts"]], ["synced", "s-1", []])
      const { body } = await client.ask("GET", `/conversations/${id}`)
      deepStrictEqual(list(body, "messages").map(({ content }) => content), ["hello", "world"])
      deepStrictEqual([body["title"], body["surfaces"]], ["Simple", [client.identity.backend_id.split("_sha256_")[0]]])
    }
  },
  {
    name: "simple client: the same payload again writes nothing",
    run: async (client) => {
      const id = fresh("again")
      const payload = { conversations: [{ conversation_id: id, version: 0, messages: [message("m", "once")] }] }
      for (let round = 0; round < 3; round++) strictEqual((await client.sync(payload)).status, 200)
      strictEqual(list((await client.ask("GET", `/conversations/${id}/messages/m/history`)).body, "writes").length, 1)
    }
  },
  {
    name: "simple client: merged per message, old copies change nothing, edits and deletions count",
    run: async (client) => {
      const id = fresh("merge")
      await client.sync({ conversations: [{ conversation_id: id, messages: [message("a", "one"), message("b", "two")] }] })
      const seen = list(changed(await everything(client), id)!, "messages")
      const versionOf = (name: string) => Number(seen.find((one) => one["id"] === name)!["version"])
      await client.sync({ conversations: [{ conversation_id: id, messages: [message("a", "one, edited", versionOf("a") + 1)] }] })
      // the state from before the edit, sent whole once more: a is old, c is new
      await client.sync({ conversations: [{ conversation_id: id, messages: [message("a", "one", versionOf("a")), message("b", "two", versionOf("b")), message("c", "three")] }] })
      const now = await client.ask("GET", `/conversations/${id}`)
      deepStrictEqual(list(now.body, "messages").map(({ content }) => content), ["one, edited", "two", "three"])
      await client.sync({ conversations: [{ conversation_id: id, messages: [{ id: "b", deleted: true, version: versionOf("b") + 1 }] }] })
      const then = await client.ask("GET", `/conversations/${id}`)
      deepStrictEqual(list(then.body, "messages").map(({ content }) => content), ["one, edited", "three"])
      const told = list(changed(await everything(client), id)!, "messages")
      strictEqual(told.find((one) => one["id"] === "b")!["deleted"], true)
    }
  },
  {
    name: "simple client: an edit by somebody who had not seen the last one is a conflict, and nothing is lost",
    run: async (client) => {
      const id = fresh("conflict")
      await client.sync({ conversations: [{ conversation_id: id, messages: [message("m", "first")] }] })
      const { version } = list(changed(await everything(client), id)!, "messages")[0]!
      const event = await client.event(id, "m", "by commit", { lamport: Number(version) + 1 })
      client.lamport = Number(version) + 1
      strictEqual(verdictOf(await client.sync({ commits: [await client.commit([event])] }))["verdict"], "committed")
      const answer = await client.sync({ conversations: [{ conversation_id: id, messages: [message("m", "by hand", Number(version) + 1)] }] })
      const conflict = list(answer.body, "conflicts").find((one) => one["conversation_id"] === id)
      ok(conflict !== undefined, "listed")
      const words = list((await client.ask("GET", `/conversations/${id}/messages/m/history`)).body, "writes").map(({ content }) => content)
      deepStrictEqual(new Set(words), new Set(["first", "by commit", "by hand"]))
    }
  },
  {
    name: "sync: a wrong signature, another peer's endpoint, no session: refused, and nothing was written",
    run: async (client) => {
      const id = fresh("forged")
      const payload = { conversations: [{ conversation_id: id, messages: [message("m", "forged")] }] }
      refused(await client.sync(payload, { signature: toBase64url(crypto.getRandomValues(new Uint8Array(256))) }), 403, "bad-signature")
      refused(await client.sync(payload, { peer: "peer_0000000000000000" }), 403)
      refused(await client.ask("POST", `/sync/${client.peer}`, { body: payload }), 403, "bad-signature")
      refused(await client.ask("GET", `/conversations/${id}`), 404, "conversation-not-found")
    }
  },
  {
    name: "commits: taken once; the same again is acknowledged and changes nothing",
    run: async (client) => {
      const id = fresh("commit")
      const commit = await client.commit([await client.event(id, "m1", "sealed"), await client.event(id, "m2", "signed")])
      for (let round = 0; round < 2; round++) strictEqual(verdictOf(await client.sync({ commits: [commit] }))["verdict"], "committed")
      const { body } = await client.ask("GET", `/conversations/${id}`)
      deepStrictEqual(list(body, "messages").map(({ content }) => content), ["sealed", "signed"])
      const platform = client.identity.backend_id.split("_sha256_")[0]!
      strictEqual(list(body, "messages")[0]!["source_backend"], platform === "ios" || platform === "android" ? `${platform}_local` : platform)
      strictEqual(list(body, "messages")[0]!["source_backend_id"], client.identity.backend_id)
      deepStrictEqual(body["surfaces"], [platform])
    }
  },
  {
    name: "limits: a sync counts once, however many commits it brings",
    run: async (client) => {
      const left = async (payload: Json) => {
        const { ratelimit } = await client.sync(payload)
        return ratelimit === undefined ? undefined : Number(/r=(\d+)/.exec(ratelimit)?.[1])
      }
      const twoCommits = async () => ({ commits: [await client.commit([await client.event(fresh("counted"), "m", "one")]), await client.commit([await client.event(fresh("counted"), "m", "two")])] })
      await left(await twoCommits())
      const spent: Array<number> = []
      for (let round = 0; round < 3; round++) {
        const before = await left({})
        // a local backend has no limits of its own
        if (before === undefined) return
        spent.push(before - (await left(await twoCommits()))!)
      }
      // a hosted process takes some of the budget ahead now and then, and what it has not used of it counts as spent
      ok(Math.min(...spent) <= 1, String(spent))
    }
  },
  {
    name: "commits: one that does not follow the head gets the head; those behind it are not looked at",
    run: async (client) => {
      const event = await client.event(fresh("chain"), "m", "lost in between")
      const stray = await client.commit([event], { prev: await digestOf("a record nobody knows") }, false)
      const answer = await client.sync({ commits: [stray, stray] })
      const verdict = verdictOf(answer)
      strictEqual(verdict["verdict"], "chain_mismatch")
      strictEqual(await recordDigest(String(verdict["head"])), client.prev)
      strictEqual(verdictOf(answer, 1)["verdict"], "busy")
      strictEqual(verdictOf(await client.sync({ commits: [await client.commit([event])] }))["verdict"], "committed")
    }
  },
  {
    name: "commits: hashes, signature, author, lamports and seals are checked",
    run: async (client) => {
      const id = fresh("checked")
      const good = await client.event(id, "m", "good")
      const offer = async (make: Promise<{ readonly record: string; readonly events: ReadonlyArray<string> }>) => verdictOf(await client.sync({ commits: [await make] }))
      strictEqual((await offer(client.commit([good], { hashes: [await digestOf("other")] }, false)))["verdict"], "invalid")
      const signed = await client.commit([good], {}, false)
      strictEqual((await offer(Promise.resolve({ ...signed, record: signed.record.replace("\"to\":", "\"xx\":1,\"to\":") })))["verdict"], "bad_signature")
      strictEqual((await offer(client.commit([good], { author: "peer_0000000000000000" }, false)))["verdict"], "bad_signature")
      const stuck = await client.event(id, "m2", "stuck", { lamport: client.lamport - 1 })
      const verdict = await offer(client.commit([good, stuck], {}, false))
      deepStrictEqual([verdict["verdict"], verdict["event_id"]], ["invalid", stuck.id])
      const plain = await client.event(id, "m3", "x", { datacontenttype: "application/json", data: { message_id: "m3", role: "user", content: "in the clear", timestamp: "" } })
      deepStrictEqual((await offer(client.commit([plain], {}, false)))["event_id"], plain.id)
      const foreign = await client.event(id, "m4", "x", { source: `ios_sha256_${"0".repeat(64)}` })
      deepStrictEqual((await offer(client.commit([foreign], {}, false)))["event_id"], foreign.id)
      refused(await client.ask("GET", `/conversations/${id}`), 404)
    }
  },
  {
    name: "cursor: only what is new comes, nothing where nothing is, and everything for a made-up one",
    run: async (client) => {
      const before = await everything(client)
      const cursor = String(before.body["cursor"])
      deepStrictEqual((await client.sync({ cursor })).body["changes"], [])
      const id = fresh("cursor")
      const answer = await client.sync({ cursor, conversations: [{ conversation_id: id, messages: [message("m", "new")] }] })
      deepStrictEqual(list(answer.body, "changes").map(({ conversation_id }) => conversation_id), [id])
      ok(list((await client.sync({ cursor: "made up" })).body, "changes").length > 1)
    }
  },
  {
    name: "limits: too long, not UTF-8, no JSON, wrong shape: refused with the field at fault",
    run: async (client) => {
      const offer = (content: string) => client.sync({ conversations: [{ conversation_id: "limits", messages: [message("m", content)] }] })
      strictEqual((await offer("x".repeat(512 * 1024 + 1))).status, 413)
      refused(await client.ask("POST", `/sync/${client.peer}`, { raw: "{" }), 400, "invalid-request")
      refused(await client.ask("POST", `/sync/${client.peer}`, { raw: " ".repeat(7 * 1024 * 1024 + 1) }), 413, "body-too-large")
      refused(await client.sync({ conversations: [{ messages: [] }] }), 400, "invalid-request")
      refused(await client.sync({ commits: [{ record: "", events: [] }] }), 400, "invalid-request")
      refused(await client.ask("POST", "/conversations/c/messages", { raw: "{\"role\":\"user\",\"content\":\"\\ud800\"}" }), 400)
      refused(await client.ask("GET", "/conversations?limit=0"), 400)
      refused(await client.ask("GET", "/nothing/here"), 404)
    }
  },
  {
    name: "events: what was written arrives as Server-Sent Events, opened, and resumes behind an id",
    run: async (client) => {
      const id = fresh("events")
      await client.sync({ conversations: [{ conversation_id: id, messages: [message("m1", "one"), message("m2", "two")] }] })
      const [one, two] = await eventsOf(client, `/events?from=start&subject=${id}`, 2)
      deepStrictEqual([part(one!.event, "data")["content"], part(two!.event, "data")["content"]], ["one", "two"])
      const [next] = await eventsOf(client, `/events?from=${encodeURIComponent(one!.id)}&subject=${id}`, 1)
      strictEqual(next!.event["id"], two!.event["id"])
      strictEqual(next!.event["via"], client.identity.backend_id)
    }
  },
  {
    name: "settings come with every sync, so that a companion can gate by them",
    run: async (client) => {
      const settings = part((await client.sync({})).body, "settings")
      for (const field of ["sync_enabled", "sync_conversations", "redact_pii"]) strictEqual(typeof settings[field], "boolean")
      ok(settings["allowed_surfaces"] === null || Array.isArray(settings["allowed_surfaces"]))
    }
  },
  {
    name: "base64url is strict: a second way to write a bearer is refused",
    run: async (client) => {
      const bearer = await client.bearer()
      ok(fromBase64url(bearer) !== undefined && utf8(bearer).length < 4096)
      refused(await client.ask("GET", "/conversations", { bearer: `${bearer}=` }), 401)
    }
  }
]
