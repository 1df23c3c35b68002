// Goal: the published test vectors are what this program makes and takes.
// Method: recompute what has one right answer; verify the salted signatures with the other implementation too.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { Result } from "effect"
import { parseCommit, verifyCommit } from "../../src/security/commit.ts"
import { verify, verifyObject } from "../../src/security/signing.ts"
import { verifyObject as verifyPortable } from "../../src/security/portable/signing.ts"
import { deterministic, type TestKey } from "../conformance/vectors.ts"

interface Vectors {
  readonly about: string
  readonly test_key: TestKey
  readonly signatures: {
    readonly identity_proof: { readonly text: string; readonly signature: string }
    readonly sync_payload: object
    readonly commit_record: { readonly record: string; readonly digest: string }
    readonly fresh_proof: object
  }
}

const { about: _, signatures, test_key, ...rest }: Vectors = JSON.parse(readFileSync(new URL("../conformance/vectors.json", import.meta.url), "utf8"))

describe("test vectors", () => {
  it("are what is made today", async () => assert.deepStrictEqual(rest, JSON.parse(JSON.stringify(await deterministic(test_key)))))

  it("signatures hold", async () => {
    const { commit_record, fresh_proof, identity_proof, sync_payload } = signatures
    assert.isTrue(verify(test_key.public_key, "identity", identity_proof.text, identity_proof.signature))
    assert.isTrue(verifyObject(test_key.public_key, "sync", sync_payload) && await verifyPortable(test_key.public_key, "sync", sync_payload))
    assert.isTrue(verifyObject(test_key.public_key, "proof", fresh_proof))
    assert.isFalse(verifyObject(test_key.public_key, "sync", fresh_proof))
    const commit = parseCommit(Buffer.from(commit_record.record))
    assert.isTrue(Result.isSuccess(commit) && verifyCommit(commit.success, test_key.public_key) && commit.success.digest === commit_record.digest)
  })
})
