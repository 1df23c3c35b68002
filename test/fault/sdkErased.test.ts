// Goal: a surface lets go of everything where hosted's own signature says that its person was erased, and on nobody else's word.
// Method: receipts signed by keys made here, each with one thing wrong; the SDK's storage looked through afterwards.
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseCommit } from "../../src/security/commit.ts"
import { isErased } from "../../src/security/erasure.ts"
import { keysOfIdentity } from "../../src/security/handovers.ts"
import { canonicalJson } from "../../src/security/portable/canonical.ts"
import { signCommit } from "../../src/security/portable/commit.ts"
import { digestOf, idsDigest } from "../../src/security/portable/digest.ts"
import { type ErasureReceipt, erasedAt } from "../../src/security/portable/erasure.ts"
import { generateKeyPairs, keyIdOf, type KeyPairs } from "../../src/security/portable/keys.ts"
import type { Identity } from "../../src/security/portable/proofs.ts"
import { sign } from "../../src/security/portable/signing.ts"
import { Book } from "../../src/sdk/typescript/Book.ts"
import { erasedIn, heedErasure } from "../../src/sdk/typescript/erased.ts"
import type { LinkState } from "../../src/sdk/typescript/Link.ts"
import { defaultPlatform } from "../../src/sdk/typescript/platform.ts"
import { MaestraError } from "../../src/sdk/typescript/problems.ts"
import { memoryStorage } from "../../src/sdk/typescript/storage.ts"
import { TelemetryQueue } from "../../src/sdk/typescript/TelemetryQueue.ts"

const tenant = "t_aaaaaaaaaaaaaaaa"
const at = "2026-11-22T10:00:00.000Z"
let first: KeyPairs
let second: KeyPairs
let pinned: string

beforeAll(async () => {
  ;[first, second] = await Promise.all([generateKeyPairs(true), generateKeyPairs(true)])
  pinned = await keyIdOf(first.signing.publicPem)
})

const identityOf = (keys: KeyPairs, previous_keys?: NonNullable<Identity["previous_keys"]>): Identity => ({
  backend_id: `hosted_sha256_${"0".repeat(64)}`, backend_type: "hosted", public_key: keys.signing.publicPem, wrap_key: keys.wrap.publicPem,
  capabilities: [], version: "1.0", created_at: at, ...(previous_keys === undefined ? {} : { previous_keys })
})
const eventOf = (more: object = {}) => JSON.stringify({
  specversion: "1.0", id: "0192f0c1-0000-7000-8000-000000000000", type: "tenant.erased", dataschema: "maestra:tenant.erased:1", source: `hosted_sha256_${"0".repeat(64)}`,
  time: at, subject: tenant, lamport: 9, surface: "hosted", datacontenttype: "application/json", data: { erased_at: at, before_seq: 7 }, ...more
})
const receiptOf = async (keys: KeyPairs, { author = "hosted", event = eventOf(), covered = event, hosted = identityOf(keys) }: { readonly author?: string; readonly event?: string; readonly covered?: string; readonly hosted?: Identity } = {}): Promise<ErasureReceipt> => ({
  event, hosted,
  record: await signCommit({
    author, key_id: await keyIdOf(keys.signing.publicPem), sync_id: "s", journal: "j", from: 1, to: 1,
    ids: await idsDigest(["e"]), hashes: [await digestOf(covered)], prev: "", seen: { log_seq: 0, head: "" }, time: at
  }, keys.signing.privateKey)
})
/** The first key handed over to the second. */
const rotated = async (by: KeyPairs): Promise<Identity> => {
  const rotation = { peer_id: "hosted", public_key: second.signing.publicPem, old_key_id: pinned, grace_ends_at: at }
  return identityOf(second, [{ public_key: first.signing.publicPem, replaced_at: at, grace_ends_at: at, signature: await sign(by.signing.privateKey, "rotation", canonicalJson(rotation)) }])
}

describe("a receipt", () => {
  it("holds by the pinned key, or one it led to; a local backend judges the same", async () => {
    for (const receipt of [await receiptOf(first), await receiptOf(second, { hosted: await rotated(first) })]) {
      assert.strictEqual(await erasedAt(receipt, tenant, pinned), at)
      assert.isTrue(Result.isSuccess(parseCommit(Buffer.from(receipt.record))))
      assert.isTrue(isErased(receipt, tenant, keysOfIdentity(receipt.hosted)))
    }
  })

  it("holds for nobody else's person, by nobody else's key, and over nothing else", async () => {
    const good = await receiptOf(first)
    const bad: Readonly<Record<string, unknown>> = {
      "another tenant": await receiptOf(first, { event: eventOf({ subject: "t_bbbbbbbbbbbbbbbb" }) }),
      "another event": await receiptOf(first, { event: eventOf({ type: "settings.changed" }) }),
      "a device's word": await receiptOf(first, { author: "peer_0123456789abcdef" }),
      "an event the record does not cover": await receiptOf(first, { covered: "another" }),
      "a stranger's key": await receiptOf(second),
      "a stranger's key under hosted's name": { ...await receiptOf(second), hosted: identityOf(first) },
      "a handover nobody signed": await receiptOf(second, { hosted: await rotated(second) }),
      "an altered record": { ...good, record: good.record.replace("\"from\":1", "\"from\":2") },
      "nothing": undefined, "no object": "gone", "nobody": { event: good.event, record: good.record }, "no JSON": { ...good, event: "{" }
    }
    for (const [what, receipt] of Object.entries(bad)) assert.isUndefined(await erasedAt(receipt, tenant, pinned), what)
  })
})

describe("a surface that is told", () => {
  const told = (receipt: unknown, status = 410) => new MaestraError("refused", "gone", { status, receipt })
  const rig = async () => {
    const storage = memoryStorage()
    await storage.write([["meta", { lamport: 1 }], ["conversation/c1", { title: "mine" }], ["own/1", {}], ["commit/1", {}], ["telemetry/1", {}], ["link", {}], ["keys/identity", "kept"]])
    const state: LinkState = { mode: "hosted-only", userId: "ada", hosted: { url: "", backendId: "", fingerprint: pinned }, tenant, peerId: "", dataKeys: [], expires: {} }
    let forgotten = 0
    const parts = { storage, link: { state: async () => state }, vault: { forgetSessionKey: async () => void forgotten++ } }
    return { storage, parts, forgotten: () => forgotten, keys: async () => (await storage.list("")).map(([key]) => key) }
  }

  it("keeps nothing but its own keys, and takes nothing more", async () => {
    const { forgotten, keys, parts, storage } = await rig()
    const cause = await heedErasure(told(await receiptOf(first)), parts)
    assert.isTrue(cause instanceof MaestraError && cause.kind === "erased")
    assert.deepStrictEqual([await keys(), forgotten(), await erasedIn(storage)], [["erased", "keys/identity"], 1, { at }])
    const refusal = (run: Promise<unknown>) => run.then(() => "taken", (problem: MaestraError) => problem.kind)
    assert.strictEqual(await refusal(new Book(storage, defaultPlatform).alone(async () => "written")), "erased")
    assert.strictEqual(await refusal(new TelemetryQueue(storage, defaultPlatform, { sourceBackend: "web", surface: "web" }).add({ event_type: "capture" })), "erased")
    // again, by the other side
    assert.isTrue(await heedErasure(told(await receiptOf(first)), parts).then((again) => again instanceof MaestraError && again.kind === "erased"))
  })

  it("keeps everything on any other word", async () => {
    const { forgotten, keys, parts } = await rig()
    const before = await keys()
    for (const cause of [told(undefined), told(await receiptOf(second)), told(await receiptOf(first), 403), new Error("no network")]) {
      assert.strictEqual(await heedErasure(cause, parts), cause)
    }
    assert.deepStrictEqual([await keys(), forgotten()], [before, 0])
  })
})
