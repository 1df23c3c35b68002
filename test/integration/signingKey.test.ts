// Goal: what signs the tokens of links is replaced on a running hub: links stand, new tokens are taken, and what the old key signed opens nothing once its grace has ended.
// Method: a real hub and two real leafs; the admin role over a record in memory, a second holder asks for the key; the grace of the old key is ended by hand.
import { assert, it } from "@effect/vitest"
import { Effect, SubscriptionRef } from "effect"
import { isoTime } from "../../streams/time.ts"
import { connect } from "../../src/nats/connect.ts"
import { credsFile, issueLeaf } from "../../src/nats/leafCredentials.ts"
import { type HubSecrets, peersSigner, systemCredentials } from "../../src/nats/hubSecrets.ts"
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { issuerOf, signingKeyId, withNextSigningKey } from "../../src/nats/signingKeys.ts"
import { followRevocations } from "../../src/hosted/followRevocations.ts"
import { keepSigning, openSharedSigner, rotateSigning, signerNow, signingRows } from "../../src/hosted/signingKey.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"
import { admit, answerTo, anyAnswer, leafCount, makeHub, makePeer, until } from "../support/hubRig.ts"
import { subjects } from "../../streams/subjects.ts"

it.live("the hub's signing key", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const own = peersSigner(hub.secrets)
    const admin = yield* systemCredentials(hub.secrets)
    const system = yield* connect({ server: `127.0.0.1:${hub.server.clientPort}`, auth: { creds: admin.creds }, name: "admin", inboxPrefix: admin.inboxPrefix })
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
    const asks = answerTo(alice.agent, subjects.ingest("alice", "p1", "commit"))
    const isAnswered = answerTo(alice.agent, subjects.ingest("alice", "p1", "commit"), "", anyAnswer)
    yield* until("alice is linked", Effect.map(asks, (answer) => answer === "committed"))

    const secrets = yield* SubscriptionRef.make(hub.secrets)
    const kept: Array<HubSecrets> = []
    const keep = (next: HubSecrets) => Effect.sync(() => void kept.push(next))
    const role = yield* followRevocations({ system, secrets: () => SubscriptionRef.getUnsafe(secrets), logs: ["LOG"], revocations: {}, keep: () => Effect.void, remember: () => Effect.void })
    const store = yield* makeMemoryKeyValue("TENANTS")
    const key = newSecretKey()
    const [record, other] = yield* Effect.all([openSharedSigner(store, key), openSharedSigner(store, key)])
    for (const one of [record, other]) yield* Effect.forkScoped(one.run)
    yield* Effect.forkScoped(keepSigning({ record, secrets, keep, renewAccounts: role.renewAccounts }))

    const links = Effect.promise(async () => {
      const body = await (await fetch(`http://127.0.0.1:${hub.monitorPort}/leafz`)).json() as { readonly leafs: ReadonlyArray<{ readonly id: number }> }
      return body.leafs.map(({ id }) => id)
    })
    const standing = yield* links
    const rotated = yield* rotateSigning(other, own)
    assert.deepStrictEqual([rotated.status, rotated.previous_key_id], ["rotated", signingKeyId(own)])
    assert.strictEqual(rotated.key_id, signingKeyId(signerNow(record, own)()))
    assert.strictEqual(signingKeyId(kept.at(-1)!), rotated.key_id)
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    assert.deepStrictEqual(signingRows(other, own, isoTime(now)).map(({ key_id, status }) => [key_id, status]), [[rotated.previous_key_id, "in_grace"], [rotated.key_id, "current"]])
    // the link of the old key stands, one of the new key comes in beside it
    assert.strictEqual(yield* isAnswered, "committed")
    assert.deepStrictEqual(yield* links, standing)
    const invited = yield* admit(hub, "bob", "p2")
    const jwt = yield* issueLeaf(signerNow(other, own)(), { tenant: "bob", peer: "p2", transportKey: invited.key.publicKey, expiresAt: now + 3600_000, log: "LOG" })
    assert.strictEqual(issuerOf(jwt), rotated.key_id)
    const bob = yield* makePeer(hub, { ...invited, jwt, creds: credsFile(jwt, invited.key.seed) })
    const bobAsks = answerTo(bob.agent, subjects.ingest("bob", "p2", "commit"))
    yield* until("bob is linked", Effect.map(bobAsks, (answer) => answer === "committed"))

    // as after seven days: the grace of the first key has ended, and a third one signs
    yield* SubscriptionRef.update(secrets, (held) => ({ ...held, signing_before: (held.signing_before ?? []).map((one) => ({ ...one, until: isoTime(now) })) }))
    yield* until("alice's link is cut", Effect.map(leafCount(hub), (count) => count === 1), "20 seconds")
    assert.isUndefined(yield* asks)
    assert.strictEqual(yield* answerTo(bob.agent, subjects.ingest("bob", "p2", "commit"), "", anyAnswer), "committed")
    assert.deepStrictEqual(kept.at(-1)!.signing_before, [])
    // renewed, as the word of the new key in the next head tells it to, it is back by itself
    const renewed = yield* issueLeaf(signerNow(record, own)(), { tenant: "alice", peer: "p1", transportKey: alice.key.publicKey, expiresAt: now + 3600_000, log: "LOG" })
    yield* alice.config.renew(credsFile(renewed, alice.key.seed))
    yield* until("alice is back", Effect.map(asks, (answer) => answer === "committed"), "20 seconds")
    assert.strictEqual(yield* Effect.map(withNextSigningKey(SubscriptionRef.getUnsafe(secrets), { now: isoTime(now), until: isoTime(now) }), ({ signing_count }) => signing_count), 2)
    assert.isUndefined(issuerOf("no.token"))
  }).pipe(Effect.scoped))
