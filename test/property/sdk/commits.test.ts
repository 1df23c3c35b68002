// Goal: a commit that was taken back and is in the log all the same stands with those before it, and nothing is sent in their place.
// Method: the storage of a surface, with a chain of two commits taken back and made anew as one, and then the head that hosted names.
import { assert, describe, it } from "@effect/vitest"
import { Book, bookKeys, type KeptCommit } from "../../../src/sdk/typescript/Book.ts"
import { adopt, placeOf, rewind, takenBack } from "../../../src/sdk/typescript/commits.ts"
import { defaultPlatform } from "../../../src/sdk/typescript/platform.ts"
import { memoryStorage } from "../../../src/sdk/typescript/storage.ts"
import { recordDigest, signCommit } from "../../../src/security/portable/commit.ts"
import { idsDigest } from "../../../src/security/portable/digest.ts"
import { generateKeyPairs, keyIdOf } from "../../../src/security/portable/keys.ts"

const sides = ["hosted", "local"]

describe("commits that were taken back", () => {
  it("stand, all that the log's head follows", async () => {
    const { signing } = await generateKeyPairs(true)
    const book = new Book(memoryStorage(), defaultPlatform)
    const journal = "0192f0c1-0000-7000-8000-000000000000"
    const keep = async (n: number, prev: string, from: number, to: number): Promise<KeptCommit> => {
      const record = await signCommit({
        author: "peer_0123456789abcdef", key_id: await keyIdOf(signing.publicPem), sync_id: "s", journal, from, to,
        ids: await idsDigest([`${from}-${to}`]), hashes: [], prev, seen: { log_seq: 0, head: "" }, time: "2026-11-22T10:00:00.000Z"
      }, signing.privateKey)
      const kept = { n, record, events: [], digest: await recordDigest(record), journal, to }
      await book.storage.write([[bookKeys.commit(n), kept], [bookKeys.meta, { ...await book.meta(), written: 3, commits: n, committed: to, prev: kept.digest }]])
      return kept
    }
    const first = await keep(1, "", 1, 2)
    const second = await keep(2, first.digest, 3, 3)
    await rewind(book, 0, sides)
    const anew = await keep(1, "", 1, 3)
    assert.strictEqual((await takenBack(book, second.record))?.digest, second.digest)

    await adopt(book, second, "hosted", sides)
    assert.deepStrictEqual(await book.commitsAfter(0, 9), [first, second])
    const { commits, committed, prev } = await book.meta()
    assert.deepStrictEqual([commits, committed, prev], [2, 3, second.digest])
    assert.deepStrictEqual([(await book.side("hosted")).acked, (await book.side("local")).acked], [2, 0])
    assert.deepStrictEqual([await placeOf(book, first.record), await placeOf(book, second.record), await placeOf(book, anew.record)], [1, 2, undefined])
    assert.deepStrictEqual([await takenBack(book, first.record), (await takenBack(book, anew.record))?.digest], [undefined, anew.digest])
  })
})
