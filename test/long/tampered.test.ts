// Goal: somebody with access to the hub's disk changes the log: it is named, left out by readers, everything else goes on,
// and those who wrote what is spoiled send it once more.
// Method: real backends; the stopped hub's block files are rewritten with fitting checksums, so the store notices nothing.
// Then once without, as a failing disk does it: the store serves all but that message, and where its summary is gone too,
// it cuts the log off there.
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { subjects } from "../../streams/subjects.ts"
import { blocksOf, rewrite, type StoredMessage } from "../support/natsStore.ts"
import { agreed, type Backend, makeWorld, type Ran, until, type World } from "../support/world.ts"

interface Problem {
  readonly seq: number
  readonly what: string
  readonly detail: string
}
interface Verified {
  readonly ok: boolean
  readonly problems: ReadonlyArray<Problem>
}

let world: World
let hosted: Backend
let ada: Backend
let bob: Backend
let tenant: string
/** The store's own summary of LOG. */
let summary: string
/** Sequences of what was spoiled, by how. */
const at: Record<"changed" | "removed" | "removedBy" | "swapped" | "record", number> = { changed: 0, removed: 0, removedBy: 0, swapped: 0, record: 0 }

const conversations = ["changed", "removed", "swapped", "flipped", "whole"] as const
const contentsOf = async (backend: Backend, conversation: string): Promise<ReadonlyArray<string>> => {
  const { json, status } = await backend.http("GET", `/conversations/${conversation}${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)
  return status === 200 ? json.messages.map(({ content }: { readonly content: string }) => content) : []
}
const verifiedBy = (ran: Ran): Verified => JSON.parse(ran.out.trim().split("\n").at(-1)!) as Verified
const namedAt = ({ problems }: Verified) => [...new Set(problems.map(({ seq }) => seq))].sort((a, b) => a - b)
const log = () => {
  const blocks = blocksOf(join(hosted.dir, "nats", "store"), "LOG")
  assert.strictEqual(blocks.length, 1)
  return blocks[0]!
}
const verifyHosted = () => hosted.cli("verify", "--on", "hosted", "--tenant", tenant, "--json")

const importAs = async (backend: Backend, conversation: string, contents: ReadonlyArray<string>) => {
  const line = JSON.stringify({ conversation_id: conversation, messages: contents.map((content, i) => ({ id: `${backend.name}-${i}`, role: "user", content })) })
  const { status, text } = await backend.http("POST", "/import", `${line}\n`)
  assert.strictEqual(status, 200, text)
  await agreed(tenant, hosted, [ada, bob])
}

/** Change the stopped hub's LOG, and remember where. */
const spoil = (bobsPeer: string): void => {
  const block = log()
  const messages = [...block.messages]
  const indexOf = (conversation: string, n: number): number =>
    messages.map(({ subject }, i) => subject === subjects.logConversation(tenant, conversation) ? i : -1).filter((i) => i >= 0)[n]!
  const recordAfter = (i: number): number => Number(messages.slice(i).find(({ subject }) => subject.includes(".commit."))!.seq)
  const byte = (message: StoredMessage): StoredMessage => {
    const body = Buffer.from(message.body)
    const place = body.length - 60
    body[place] = body[place]! ^ 1
    return { ...message, body }
  }
  const changed = indexOf("changed", 1)
  at.changed = Number(messages[changed]!.seq)
  messages[changed] = byte(messages[changed]!)

  // two of one commit: no record lies between them. A batch may leave in two commits, the first event alone
  const start = indexOf("swapped", 1) === indexOf("swapped", 0) + 1 ? 0 : 1
  const first = indexOf("swapped", start)
  const second = indexOf("swapped", start + 1)
  at.swapped = Number(messages[second]!.seq)
  const [one, two] = [messages[first]!, messages[second]!]
  messages[first] = { ...two, seq: one.seq, time: one.time }
  messages[second] = { ...one, seq: two.seq, time: two.time }

  const record = messages.findLastIndex(({ subject }) => subject === subjects.logCommit(tenant, bobsPeer))
  at.record = Number(messages[record]!.seq)
  messages[record] = byte(messages[record]!)

  const removed = indexOf("removed", 1)
  at.removed = Number(messages[removed]!.seq)
  at.removedBy = recordAfter(removed)
  messages.splice(removed, 1)
  rewrite("LOG", block, messages)
}

/** Flip a byte of a message, and nothing else. Returns the sequence of the record that covers it. */
const damage = (on: string, n: number): number => {
  const { file, messages } = log()
  summary = join(file, "..", "index.db")
  const message = messages.filter(({ subject }) => subject === on)[n]!
  const bytes = readFileSync(file)
  const place = bytes.indexOf(message.body) + message.body.length - 60
  bytes[place] = bytes[place]! ^ 1
  writeFileSync(file, bytes)
  return Number(messages.find(({ seq, subject }) => seq > message.seq && subject.includes(".commit."))!.seq)
}

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  ada = await world.local("ada")
  bob = await world.local("bob")
  tenant = await world.pair(hosted, ada)
  await world.pair(hosted, bob)
  for (const conversation of conversations) await importAs(ada, conversation, ["a0", "a1", "a2"])
  await importAs(bob, "whole", ["b0"])
  // the last record of bob's chain is spoiled too: his next commit cannot simply follow it
  await importAs(bob, "orphan", ["b1"])
  assert.strictEqual((await verifyHosted()).code, 0)
  for (const local of [ada, bob]) assert.strictEqual((await local.cli("local", "pause")).code, 0)
  await hosted.stop()
  spoil((await bob.http("GET", "/status")).json.peer_id)
  await hosted.start()
}, 120_000)

afterAll(() => world.close(), 60_000)

const spoiled = () => [at.changed, at.removedBy, at.swapped, at.record]
const whole: Readonly<Record<string, ReadonlyArray<string>>> = {
  changed: ["a0", "a1", "a2"],
  removed: ["a0", "a1", "a2"],
  swapped: ["a0", "a1", "a2"],
  flipped: ["a0", "a1", "a2"],
  whole: ["a0", "a1", "a2", "b0"],
  orphan: ["b1"]
}
/** What a reader that begins anew shows of ada's and bob's words, while both are away. */
const left = { ...whole, changed: ["a0", "a2"], removed: ["a0", "a2"], orphan: [] }
const shows = async (backend: Backend, words: Readonly<Record<string, ReadonlyArray<string>>>, withinMs: number) => {
  for (const [conversation, contents] of Object.entries(words)) {
    let seen: ReadonlyArray<string> = []
    await until(async () => (seen = await contentsOf(backend, conversation)).join() === contents.join(), withinMs,
      () => `${backend.name}: ${conversation}: ${seen.join()} instead of ${contents.join()}\n${backend.log().slice(-2000)}`)
  }
}
const auditedTypes = async (backend: Backend) =>
  (await backend.http<{ readonly entries: ReadonlyArray<{ readonly type: string }> }>("GET", `/audit?limit=500${backend.side === "hosted" ? `&tenant=${tenant}` : ""}`)).json.entries.map(({ type }) => type)
const epoch = async () => Number((await hosted.http("GET", "/status")).json.log_epoch)

describe("a log changed on the hub's disk", { timeout: 120_000 }, () => {
  it("is named by `verify` on hosted, place by place, with exit 1", async () => {
    const ran = await verifyHosted()
    assert.strictEqual(ran.code, 1, ran.err)
    const found = verifiedBy(ran)
    assert.isFalse(found.ok)
    assert.includeMembers(namedAt(found), spoiled())
    assert.notInclude(namedAt(found), at.removed)
    const said = (seq: number) => found.problems.filter((problem) => problem.seq === seq).map(({ detail }) => detail).join()
    assert.match(said(at.changed), /altered/)
    assert.match(said(at.removedBy), /1 of \d events .* missing or altered/)
    assert.match(said(at.swapped), /order/)
    assert.match(said(at.record), /signature|read/)
  })

  it("is left out by hosted when it reads the log anew; the rest is there", async () => {
    const rebuilt = await hosted.cli("rebuild", "--on", "hosted")
    assert.strictEqual(rebuilt.code, 0, rebuilt.err)
    await shows(hosted, left, 1000)
    await until(async () => (await auditedTypes(hosted)).includes("commit.quarantined"), 15_000, () => "no entry in the audit of hosted")
  })

  it("takes nothing from those who read it before", async () => {
    for (const local of [ada, bob]) {
      await shows(local, whole, 1000)
      assert.strictEqual((await local.cli("verify")).code, 0, "the mirror of before is whole")
    }
  })

  it("begins one new epoch, and in it those who wrote what is spoiled send it once more", async () => {
    assert.strictEqual(await epoch(), 2)
    for (const local of [ada, bob]) assert.strictEqual((await local.cli("local", "resume")).code, 0)
    for (const reader of [hosted, ada, bob]) await shows(reader, whole, 60_000)
    await agreed(tenant, hosted, [ada, bob])
    assert.strictEqual((await hosted.cli("rebuild", "--on", "hosted")).code, 0)
    await shows(hosted, whole, 20_000)
  })

  it("stays named, and is not announced again", async () => {
    const found = namedAt(verifiedBy(await verifyHosted()))
    assert.includeMembers(found, spoiled())
    assert.deepStrictEqual(found, namedAt(verifiedBy(await bob.cli("verify", "--json"))), "both name the same")
    await hosted.stop()
    await hosted.start()
    await verifyHosted()
    await agreed(tenant, hosted, [ada, bob])
    assert.strictEqual(await epoch(), 2)
  })

  it("does not stop new words: from hosted's readers, from both devices, the one with the spoiled record too", async () => {
    for (const [writer, conversation] of [[ada, "changed"], [bob, "whole"], [bob, "orphan"]] as const) {
      const sent = await writer.http("POST", `/conversations/${conversation}/messages?wait=hosted&timeout_ms=30000`, { role: "user", content: `new from ${writer.name}` })
      assert.strictEqual(sent.status, 201, sent.text)
      assert.strictEqual(sent.json.reached.tier, "hosted", sent.text)
      for (const reader of [hosted, ada, bob]) {
        await until(async () => (await contentsOf(reader, conversation)).includes(`new from ${writer.name}`), 20_000, () => `${reader.name} does not show what ${writer.name} wrote in ${conversation}`)
      }
    }
  })

  it("reaches a new device whole, and its words reach everybody", async () => {
    const cat = await world.local("cat")
    await world.pair(hosted, cat)
    await until(async () => (await contentsOf(cat, "changed")).includes("new from ada"), 30_000, () => cat.log().slice(-2000))
    await agreed(tenant, hosted, [ada, bob, cat])
    assert.deepStrictEqual(await contentsOf(cat, "removed"), ["a0", "a1", "a2"])
    await until(async () => (await auditedTypes(cat)).includes("commit.quarantined"), 15_000, () => "no entry in cat's audit")
    await cat.http("POST", "/conversations/whole/messages", { role: "user", content: "new from cat" })
    for (const reader of [hosted, ada, bob]) await until(async () => (await contentsOf(reader, "whole")).includes("new from cat"), 30_000, () => `${reader.name} lacks it`)
    await cat.stop()
  })

  it("by a failing disk is named, and completed by who wrote it; new words go on", async () => {
    await hosted.stop()
    const record = damage(subjects.logConversation(tenant, "flipped"), 1)
    await hosted.start()
    await until(async () => await epoch() === 3, 20_000, () => hosted.log().slice(-2000))
    const ran = await verifyHosted()
    assert.strictEqual(ran.code, 1)
    assert.includeMembers(namedAt(verifiedBy(ran)), [...spoiled(), record])
    await ada.http("POST", "/conversations/whole/messages", { role: "user", content: "after the damage" })
    for (const reader of [hosted, bob]) await until(async () => (await contentsOf(reader, "whole")).includes("after the damage"), 30_000, () => `${reader.name} lacks it`)
    await agreed(tenant, hosted, [ada, bob])
    assert.strictEqual((await hosted.cli("rebuild", "--on", "hosted")).code, 0)
    await shows(hosted, { flipped: ["a0", "a1", "a2"] }, 20_000)
  })

  it("and cut off there by the store itself, is completed by those who wrote it", async () => {
    const before = await epoch()
    await hosted.stop()
    rmSync(summary)
    await hosted.start()
    assert.isAbove(await epoch(), before)
    for (const reader of [hosted, ada, bob]) {
      await until(async () => (await contentsOf(reader, "flipped")).join() === "a0,a1,a2", 60_000, () => `${reader.name} lacks a1\n${ada.log().slice(-1500)}`)
      await until(async () => (await contentsOf(reader, "whole")).includes("after the damage"), 60_000, () => `${reader.name} lacks what came after`)
    }
  })

  it("where it took ada's registration, is completed by hosted: a device that joins then believes her too", async () => {
    const before = await epoch()
    const { peer_id } = (await ada.http("GET", "/status")).json
    await hosted.stop()
    damage(subjects.logPeer(tenant, peer_id), 0)
    await hosted.start()
    await until(async () => await epoch() > before, 30_000, () => hosted.log().slice(-2000))
    const dan = await world.local("dan")
    await world.pair(hosted, dan)
    // cat is away, with a word of hers that went when the log was cut off
    await shows(dan, { removed: whole["removed"]!, swapped: whole["swapped"]!, flipped: whole["flipped"]! }, 60_000)
  })
})
