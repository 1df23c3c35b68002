// Goal: the published test vectors are what this program makes and takes.
// Method: recompute what has one right answer; verify the salted signatures with the other implementation too.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { Result } from "effect"
import { parseCommit, verifyCommit } from "../../src/security/commit.ts"
import { handovers } from "../../src/security/handovers.ts"
import { keyId } from "../../src/security/keys.ts"
import { followsFrom } from "../../src/security/portable/handovers.ts"
import type { Identity } from "../../streams/events/peer.ts"
import { verify, verifyObject } from "../../src/security/signing.ts"
import { verifyObject as verifyPortable } from "../../src/security/portable/signing.ts"
import { deterministic, type TestKey } from "../conformance/vectors.ts"

interface Vectors {
  readonly about: string
  readonly test_key: TestKey
  readonly next_key: { readonly public_key: string }
  readonly signatures: {
    readonly rotated_identity: { readonly known_key_id: string; readonly author: string; readonly text: string; readonly identity: Identity }
    readonly registration_answer: object
    readonly identity_proof: { readonly text: string; readonly signature: string }
    readonly sync_payload: object
    readonly commit_record: { readonly record: string; readonly digest: string }
    readonly fresh_proof: object
  }
}

const { about: _, next_key, signatures, test_key, ...rest }: Vectors = JSON.parse(readFileSync(new URL("../conformance/vectors.json", import.meta.url), "utf8"))

describe("test vectors", () => {
  it("are what is made today", async () => assert.deepStrictEqual(rest, JSON.parse(JSON.stringify(await deterministic(test_key)))))

  it("an identity whose key was replaced follows from the old one, and from no other", async () => {
    const { author, identity, known_key_id, text } = signatures.rotated_identity
    const [previous] = identity.previous_keys ?? []
    assert.isTrue(verify(test_key.public_key, "rotation", text, previous!.signature))
    const follows = async (known: string, by: string, of: Identity) => [await followsFrom(known, by, of), handovers(known, by, of) !== undefined]
    assert.deepStrictEqual(await follows(known_key_id, author, identity), [true, true])
    assert.deepStrictEqual(await follows(keyId(next_key.public_key), author, identity), [true, true])
    for (const [known, by, of] of [
      ["A".repeat(43), author, identity],
      [known_key_id, "peer_0123456789abcdef", identity],
      [known_key_id, author, { ...identity, public_key: test_key.public_key, previous_keys: [{ ...previous!, public_key: next_key.public_key }] }],
      [known_key_id, author, { ...identity, previous_keys: [{ ...previous!, grace_ends_at: "2027-11-29T10:00:00.000Z" }] }],
      [known_key_id, author, { ...identity, previous_keys: [] }]
    ] as const) assert.deepStrictEqual(await follows(known, by, of), of.public_key === test_key.public_key ? [true, true] : [false, false], JSON.stringify([known, by]))
  })

  it("signatures hold", async () => {
    const { commit_record, fresh_proof, identity_proof, sync_payload } = signatures
    assert.isTrue(verify(test_key.public_key, "identity", identity_proof.text, identity_proof.signature))
    assert.isTrue(verifyObject(test_key.public_key, "sync", sync_payload) && await verifyPortable(test_key.public_key, "sync", sync_payload))
    assert.isTrue(verifyObject(test_key.public_key, "proof", fresh_proof))
    assert.isTrue(verifyObject(test_key.public_key, "registration", signatures.registration_answer) && await verifyPortable(test_key.public_key, "registration", signatures.registration_answer))
    assert.isFalse(verifyObject(test_key.public_key, "sync", fresh_proof))
    const commit = parseCommit(Buffer.from(commit_record.record))
    assert.isTrue(Result.isSuccess(commit) && verifyCommit(commit.success, test_key.public_key) && commit.success.digest === commit_record.digest)
  })
})
