// Goal: the pure parts of the hub hold for any input: who may be answered, what a leaf may do, what stays revoked.
// Method: generated replies, tokens and revocation lists; the rendered configuration read as text.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { leafPermissions } from "../../../src/nats/hubAccounts.ts"
import { renderHubConfig } from "../../../src/nats/hubConfig.ts"
import { HubSecrets, isOwnReply, makeHubSecrets, PeersSigner, peersSigner, serviceCredentials } from "../../../src/nats/hubSecrets.ts"
import { merge } from "../../../src/nats/revocation.ts"

const tokens = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,16}$/))
const key = Schema.String.check(Schema.isPattern(/^U[A-D]{2}$/))
const list = Schema.Record(key, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2_000_000 })))

describe("replies", () => {
  it.effect("go to what the server rewrote and to hosted inboxes, to nothing else", () =>
    Effect.gen(function*() {
      const { inboxPrefix } = yield* serviceCredentials(yield* makeHubSecrets)
      for (const ours of [`${inboxPrefix}.abc.1`, "_R_.abc.def"]) assert.isTrue(isOwnReply(ours))
      const others = ["", "log.t.conv.c", "_INBOX.peer_1.x", "_INBOX.h_1.x", "_INBOX.agent.h_00000000000000000000.x", "x_R_.a", "_R_", "$JS.API.STREAM.PURGE.LOG", `${inboxPrefix}x.y`, inboxPrefix]
      for (const other of others) assert.isFalse(isOwnReply(other), other)
    }))
})

describe("a leaf's permissions", () => {
  it.prop("name its own tenant and peer in every subject that could be another's", [tokens, tokens], ([tenant, peer]) => {
    const { pub, sub } = leafPermissions({ tenant, peer, log: "LOG" })
    const own = [...pub?.allow ?? [], ...(sub?.allow ?? []).filter((subject) => subject !== "$JSC.R.*")]
    return own.length === 8 && own.every((subject) =>
      subject.startsWith(`ingest.${tenant}.${peer}.`) || subject.split(".").includes(peer) || subject.split(".").includes(`peer-${peer}`))
  })

  it("cannot be made for a name with a wildcard or a dot in it", () => {
    for (const bad of ["*", ">", "a.b", "", "a b"]) assert.throws(() => leafPermissions({ tenant: bad, peer: "p", log: "LOG" }))
  })
})

describe("revocations", () => {
  const now = 2_000_000
  const recent = (entry: number) => entry > now - 24 * 3600
  it.prop("once in force stay in force, whatever is added, until every token has expired", [list, list], ([held, added]) => {
    const merged = merge(held, added, now)
    return Object.entries(held).every(([name, since]) => !recent(since) || (merged[name] ?? 0) >= since)
      && Object.entries(added).every(([name, since]) => !recent(since) || (merged[name] ?? 0) >= since)
      && Object.values(merged).every(recent)
  })
})

describe("secrets", () => {
  it.effect("come back from JSON as they were; the smaller one holds no account's own seed", () =>
    Effect.gen(function*() {
      const secrets = yield* makeHubSecrets
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(HubSecrets)(JSON.parse(JSON.stringify(secrets))), secrets)
      const signer = peersSigner(secrets)
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(PeersSigner)(JSON.parse(JSON.stringify(signer))), signer)
      for (const seed of [secrets.operator, secrets.system, secrets.store, secrets.peers]) assert.notInclude(JSON.stringify(signer), seed)
    }))
})

describe("the hub's configuration", () => {
  const options = { serverName: "hub1", client: { port: 4222 }, leaf: { port: 7422 }, storeDir: "/s", jwtDir: "/j" }

  it.effect("syncs always, stays on loopback, and refuses the network without TLS", () =>
    Effect.gen(function*() {
      const secrets = yield* makeHubSecrets
      const text = yield* renderHubConfig(secrets, { ...options, webSocket: { port: 8443 }, monitorPort: 8222 })
      for (const line of ["sync_interval: always", `listen: "127.0.0.1:4222"`, `listen: "127.0.0.1:7422"`, `listen: "127.0.0.1:8443"`, `http: "127.0.0.1:8222"`, "max_payload: 8388608", "domain: hub", "type: full"]) {
        assert.include(text, line)
      }
      assert.notInclude(text, "0.0.0.0")
      for (const host of ["0.0.0.0", "10.1.2.3", "hub.example.org", "127.0.0.1.example.org", "::"]) {
        const refused = yield* Effect.result(renderHubConfig(secrets, { ...options, leaf: { host, port: 7422 } }))
        assert.isTrue(Result.isFailure(refused), host)
        const tls = { certFile: `/c"ert`, keyFile: "/key" }
        assert.include(yield* renderHubConfig(secrets, { ...options, leaf: { host, port: 7422 }, tls }), `tls { cert_file: "/c\\"ert", key_file: "/key" }`)
      }
    }))
})
