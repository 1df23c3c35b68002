// Goal: what a registered machine sends to the hub, in any form, changes nothing but its own chain, and only by honest commits.
// Method: a real hosted process with a real device of ada's; mallory's machine, properly registered for bob, speaks the leaf
// protocol by hand and makes every attack, one after the other; then with the credentials file of ada's own leaf. What came
// of each is held equal to the table in test/golden/attacks.md.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll } from "vitest"
import { generateKeys, type KeyPair } from "../../src/security/keys.ts"
import { payloadMaxBytes } from "../../streams/limits.ts"
import { subjects } from "../../streams/subjects.ts"
import { apiSubjects, forgeriesOf, framed, handFramed } from "../support/hostile.ts"
import type { Author, LogHistory } from "../support/logHistory.ts"
import { type RawLeaf, rawLeaf } from "../support/rawLeaf.ts"
import { enrol, makeRawPeer, registerRaw, stolenCreds, tokenFor, writerOf } from "../support/rawPeer.ts"
import { matches } from "../golden/golden.ts"
import { agreed, type Backend, digestOf, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let ada: Backend
let adas: { readonly tenant: string; readonly peer: string }
let mallorys: { readonly tenant: string; readonly peer: string }
let log: LogHistory
let mallory: Author
let stranger: KeyPair
let leaf: RawLeaf
let writer: Awaited<ReturnType<typeof writerOf>>
let adasDigest: string
const scope = Scope.makeUnsafe()
const connect = (identity: { readonly jwt: string; readonly seed: string }) => Effect.runPromise(Scope.provide(rawLeaf(world.leafPort(hosted), identity), scope))

/** Mallory's own line, which the hub ends when a busy machine is late with a pong. */
const dialIn = async (): Promise<void> => {
  leaf = await connect(writer)
  leaf.subscribe(`_INBOX.${mallory.id}.>`)
}

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  ada = await world.local("ada")
  const tenant = await world.pair(hosted, ada)
  adas = { tenant, peer: (await ada.http("GET", "/status")).json.peer_id }
  await ada.http("POST", "/conversations/private/messages", { role: "user", content: "for ada only" })
  adasDigest = (await agreed(tenant, hosted, [ada])).digest
  const raw = await makeRawPeer("mallory")
  const code = await enrol(hosted, "bob")
  writer = await writerOf(raw, await registerRaw(hosted, raw, await tokenFor(hosted, raw, code)))
  log = writer.log
  mallory = writer.author
  mallorys = { tenant: log.tenant, peer: mallory.id }
  stranger = await Effect.runPromise(generateKeys)
  await dialIn()
}, 120_000)
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await world.close()
}, 60_000)

/** What came of each attack, by its name, in the order they were made. */
const outcomes = new Map<string, string>()
const noted = (attack: string, outcome: string): void => {
  const names = [[adas.tenant, "ADA"], [adas.peer, "ADAS-PEER"], [mallorys.tenant, "OWN"], [mallorys.peer, "OWN-PEER"]] as const
  outcomes.set(names.reduce((text, [id, name]) => text.replaceAll(id, name), attack), outcome)
}

let asked = 0
type Answer = Readonly<Record<string, unknown>> & { readonly verdict: string }

/** Send on a subject and wait for the answer, which comes at once where there is one. */
const answerOn = async (subject: string, body: Uint8Array | string, headers?: ReadonlyArray<string>): Promise<Answer> => {
  const reply = `_INBOX.${mallory.id}.${++asked}`
  if (leaf.closed()) await dialIn()
  if (headers === undefined) leaf.publish(subject, body, reply)
  else leaf.publishWith(headers, subject, body, reply)
  await until(() => leaf.bodies.has(reply), 10_000, () => `no answer on ${subject}: ${leaf.refused.join()}`)
  return JSON.parse(leaf.bodies.get(reply)!) as Answer
}
const ownCommits = () => subjects.ingest(mallorys.tenant, mallorys.peer, "commit")

/** An honest commit still goes through, and is committed. */
const honest = async (content: string): Promise<Uint8Array> => {
  const events = [log.said(mallory, "mine", content)]
  const bytes = framed(log.record(mallory, events), events)
  const answer = await answerOn(ownCommits(), bytes)
  assert.strictEqual(answer.verdict, "committed", JSON.stringify(answer))
  return bytes
}

const forgeries = forgeriesOf(() => ({ log, adas, stranger }))

/** Every hash, signature and chain of a log, checked again. */
const holds = async (backend: Backend, tenant = ""): Promise<boolean> => {
  const { text } = await backend.http("POST", `/verify${tenant === "" ? "" : `?tenant=${tenant}`}`)
  return (JSON.parse(text.trimEnd().split("\n").at(-1)!) as { readonly result?: { readonly ok?: boolean } }).result?.ok === true
}

/** The neighbour notices nothing: same digest, in step, whole log. */
const adaGoesOn = async () => {
  assert.strictEqual((await agreed(adas.tenant, hosted, [ada])).digest, adasDigest)
  assert.strictEqual(await holds(hosted, adas.tenant), true)
}

describe("a registered machine", { timeout: 60_000 }, () => {
  it("sends honest commits, and they count", async () => {
    await honest("first")
    await until(async () => (await hosted.http("GET", `/conversations/mine?tenant=${mallorys.tenant}`)).text.includes("first"), 10_000)
  })

  it.each(forgeries)("sending $what is answered $verdict", async ({ make, verdict, what }) => {
    const answer = await answerOn(ownCommits(), await make({ ...mallory }))
    assert.strictEqual(answer.verdict, verdict, JSON.stringify(answer))
    noted(`commit: ${what}`, answer.verdict)
  })

  it("sending what it sent before changes nothing: the last is told as committed, an earlier one is shown the head", async () => {
    const earlier = await honest("second")
    const last = await honest("third")
    const digest = await digestOf(hosted, mallorys.tenant)
    const again = await answerOn(ownCommits(), last)
    const old = await answerOn(ownCommits(), earlier)
    assert.deepStrictEqual([again.verdict, old.verdict], ["committed", "chain_mismatch"])
    noted("replay: the last commit", "told as committed, not stored again")
    noted("replay: an earlier commit", old.verdict)
    await honest("fourth")
    await until(async () => (await digestOf(hosted, mallorys.tenant)).messages === digest.messages + 1, 10_000)
  })

  it("cannot steer the store with headers of its own", async () => {
    for (const headers of [["Nats-Msg-Id: x"], ["Nats-Expected-Last-Sequence: 999999"], ["Nats-Rollup: all"], ["Nats-Expected-Stream: AUDIT", "Nats-Batch-Id: x", "Nats-Batch-Sequence: 1"], ["Nats-TTL: 1s"]]) {
      const events = [log.said(mallory, "mine", headers.join())]
      const answer = await answerOn(ownCommits(), framed(log.record(mallory, events), events), headers)
      assert.strictEqual(answer.verdict, "committed", headers.join())
      noted(`header on an honest commit: ${headers.join(", ")}`, "committed, the header without effect")
    }
    assert.strictEqual(await holds(hosted, mallorys.tenant), true)
  })

  it("is not answered on anybody else's subjects, nor where it names another's subject for the answer", async () => {
    const bytes = framed(log.record({ ...mallory }, []), [])
    const elsewhere = [
      subjects.ingest(adas.tenant, adas.peer, "commit"),
      subjects.ingest(adas.tenant, adas.peer, "head"),
      subjects.ingest(adas.tenant, mallorys.peer, "commit"),
      subjects.ingest(mallorys.tenant, adas.peer, "commit"),
      subjects.logConversation(adas.tenant, "private"),
      subjects.logConversation(mallorys.tenant, "mine"),
      subjects.logCommit(adas.tenant, adas.peer),
      subjects.deliver(adas.peer),
      `store.CONSUMER.RESET.LOG.peer-${adas.peer}`,
      "$JS.API.STREAM.PURGE.LOG",
      "$KV.TENANTS.tenant.x"
    ]
    const answers = [subjects.logConversation(adas.tenant, "private"), subjects.logConversation(mallorys.tenant, "mine"), subjects.logCommit(adas.tenant, adas.peer), subjects.ingest(adas.tenant, adas.peer, "commit"), subjects.deliver(adas.peer), "$JS.API.STREAM.PURGE.LOG", "_R_.x"]
    const listened = [">", subjects.logTenant(adas.tenant), subjects.deliver(adas.peer), `_INBOX.${adas.peer}.>`, "ingest.>", "_R_.>"]
    const reset = `store.CONSUMER.RESET.LOG.peer-${mallorys.peer}`
    const acts: ReadonlyArray<readonly [string, (attacker: RawLeaf) => void]> = [
      ...[...elsewhere, ...apiSubjects].map((subject) => [`publish: ${subject}`, (attacker: RawLeaf) => attacker.publish(subject, bytes, `_INBOX.${mallory.id}.elsewhere`)] as const),
      ...answers.map((reply) => [`reply subject through ingest: ${reply}`, (attacker: RawLeaf) => attacker.publish(ownCommits(), bytes, reply)] as const),
      ...answers.map((reply) => [`reply subject through RESET: ${reply}`, (attacker: RawLeaf) => attacker.publish(reset, "{\"seq\":1}", reply)] as const),
      ...listened.map((subject) => [`subscribe: ${subject}`, (attacker: RawLeaf) => attacker.subscribe(subject)] as const)
    ]
    // one connection each: the hub ends one that oversteps
    const attackers = await Effect.runPromise(Effect.forEach(acts, ([attack, act]) =>
      Effect.gen(function*() {
        const attacker = yield* Effect.promise(() => connect(writer))
        act(attacker)
        yield* attacker.flush
        return { attack, attacker }
      }), { concurrency: 8 }))
    assert.isAbove(attackers.length, 120)
    // behind all of these: ada's own traffic, and an honest request of mallory's
    assert.strictEqual((await ada.http("POST", "/conversations/other/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "meanwhile" })).json.reached.tier, "hosted")
    adasDigest = (await agreed(adas.tenant, hosted, [ada])).digest
    await answerOn(subjects.ingest(mallorys.tenant, mallorys.peer, "head"), JSON.stringify({ log_epoch: 1, mirror_seq: 0, journal: "j", journal_seq: 0 }))
    for (const { attack, attacker } of attackers) {
      await Effect.runPromise(attacker.flush)
      // `>` is cut to what it may hear: answers to its own requests
      assert.deepStrictEqual(attacker.heard.filter((subject) => !subject.startsWith(`_INBOX.${mallory.id}.`)), [])
      assert.notInclude(attacker.heard, `_INBOX.${mallory.id}.elsewhere`)
      noted(attack, attacker.closed() ? "thrown out, without effect" : "no answer, without effect")
      attacker.close()
    }
    assert.notInclude(leaf.heard, `_INBOX.${mallory.id}.elsewhere`)
    await adaGoesOn()
  })

  it("saying that the log is spoiled has all of it read again, once in ten minutes however often it says so", async () => {
    for (const damaged of [0, 7, 8, 9]) await answerOn(subjects.ingest(mallorys.tenant, mallorys.peer, "head"), JSON.stringify({ log_epoch: 1, mirror_seq: 0, journal: "j", journal_seq: 0, damaged }))
    assert.strictEqual(hosted.log().split("a device finds places in the log that do not verify").length, 2)
  })

  it("cannot fork its own chain: of two commits that follow the same one, one counts", async () => {
    const twin = { ...mallory }
    const second = (content: string, author: Author) => {
      const events = [log.said(author, "mine", content)]
      return framed(log.record(author, events), events)
    }
    const [one, other] = await Promise.all([answerOn(ownCommits(), second("fork one", mallory)), answerOn(ownCommits(), second("fork two", twin))])
    assert.deepStrictEqual([one.verdict, other.verdict].toSorted(), ["chain_mismatch", "committed"])
    if (other.verdict === "committed") Object.assign(mallory, twin)
    noted("two commits that follow the same one, at once", "one committed, one chain_mismatch")
    assert.strictEqual(await holds(hosted, mallorys.tenant), true)
  })

  it("with more events than a commit may have is refused, whatever it signed", async () => {
    const author = { ...mallory }
    const events = Array.from({ length: 1000 }, (_, i) => log.said(author, "mine", `${i}`))
    const { verdict } = await answerOn(ownCommits(), handFramed([log.record(author, events), ...events]))
    assert.strictEqual(verdict, "invalid")
    noted("a commit of 1,000 events", verdict)
  })

  it("asking without end waits for itself: a neighbour's write is stored within seconds", async () => {
    const attacker = await connect(writer)
    attacker.subscribe(`_INBOX.${mallory.id}.>`)
    const head = JSON.stringify({ log_epoch: 1, mirror_seq: 0, journal: "j", journal_seq: 0, mirror: { last_seq: 1, messages: 1 } })
    for (let n = 0; n < 10_000; n++) {
      attacker.publish(subjects.ingest(mallorys.tenant, mallorys.peer, "head"), n % 2 === 0 ? head : "", `_INBOX.${mallory.id}.flood`)
      attacker.publish(`ingest.${mallorys.tenant}.${mallorys.peer}.v${n % 500}`, "", `_INBOX.${mallory.id}.flood`)
    }
    const before = performance.now()
    assert.strictEqual((await ada.http("POST", "/conversations/other/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "in the flood" })).json.reached.tier, "hosted")
    assert.isBelow(performance.now() - before, 10_000)
    adasDigest = (await agreed(adas.tenant, hosted, [ada])).digest
    attacker.close()
    noted("20,000 requests at once", "its own wait, and are dropped; a neighbour's write is stored")
  })

  it("subscribing without end is thrown out", async () => {
    const attacker = await connect(writer)
    for (let n = 0; n < 5000; n++) attacker.subscribe(`_INBOX.${mallory.id}.s${n}`)
    await until(() => attacker.closed() || attacker.refused.some((text) => text.includes("subscriptions")), 20_000)
    attacker.close()
    noted("5,000 subscriptions", "refused from the 1,000th on")
  })

  it("that does not read what it asked for holds up nobody", async () => {
    const attacker = await connect(writer)
    attacker.subscribe(`_INBOX.${mallory.id}.>`)
    await Effect.runPromise(attacker.flush)
    attacker.stopReading()
    for (let n = 0; n < 5000; n++) attacker.publish(subjects.ingest(mallorys.tenant, mallorys.peer, "head"), JSON.stringify({ log_epoch: 1, mirror_seq: 0, journal: "j", journal_seq: 0 }), `_INBOX.${mallory.id}.slow`)
    assert.strictEqual((await ada.http("POST", "/conversations/other/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "beside a slow reader" })).json.reached.tier, "hosted")
    adasDigest = (await agreed(adas.tenant, hosted, [ada])).digest
    attacker.close()
    noted("5,000 answers that are never read", "held for it alone; a neighbour's write is stored")
  })

  it("with more bytes than the hub takes at once loses its connection, and nobody else's", async () => {
    const raw = leaf
    raw.publish(ownCommits(), new Uint8Array(payloadMaxBytes + 1), `_INBOX.${mallory.id}.big`)
    await until(() => raw.closed() || raw.refused.length > 0, 20_000)
    assert.notInclude(raw.heard, `_INBOX.${mallory.id}.big`)
    noted("8 MiB and a byte", "thrown out, without effect")
    await adaGoesOn()
  })
})

describe("with the credentials file of ada's own leaf, a thief", { timeout: 60_000 }, () => {
  it("cannot write without her signing key, and reaches no other tenant", async () => {
    const thief = await connect(stolenCreds(ada))
    const inbox = `_INBOX.${adas.peer}.thief`
    thief.subscribe(`${inbox}.>`)
    const events = [log.said(mallory, "private", "forged")]
    // the best it can do: everything as ada's own commit, but for the signature
    const forged = framed(log.record({ ...mallory, id: adas.peer, prev: "", to: 0 }, events), events)
    thief.publish(subjects.ingest(adas.tenant, adas.peer, "commit"), forged, `${inbox}.1`)
    await until(() => thief.bodies.has(`${inbox}.1`), 10_000)
    assert.strictEqual((JSON.parse(thief.bodies.get(`${inbox}.1`)!) as Answer).verdict, "bad_signature")
    noted("with ada's stolen leaf.creds: a commit in her name", "bad_signature")
    for (const subject of [subjects.ingest(mallorys.tenant, mallorys.peer, "commit"), subjects.ingest(adas.tenant, mallorys.peer, "commit"), subjects.logConversation(adas.tenant, "private")]) {
      const again = await connect(stolenCreds(ada))
      again.subscribe(`${inbox}.>`)
      again.publish(subject, forged, `${inbox}.2`)
      await Effect.runPromise(again.flush)
      again.close()
    }
    thief.publish(subjects.ingest(adas.tenant, adas.peer, "commit"), "junk", `${inbox}.3`)
    await until(() => thief.bodies.has(`${inbox}.3`), 10_000)
    assert.strictEqual((JSON.parse(thief.bodies.get(`${inbox}.3`)!) as Answer).verdict, "invalid")
    assert.notInclude(thief.heard, `${inbox}.2`)
    noted("with ada's stolen leaf.creds: other peers, other tenants, the log", "no answer, without effect")
    thief.close()
    await adaGoesOn()
  })

  it("leaves every log whole, and ada's next words on their way", async () => {
    for (const tenant of [adas.tenant, mallorys.tenant]) assert.strictEqual(await holds(hosted, tenant), true)
    assert.strictEqual(await holds(ada), true)
    assert.strictEqual((await ada.http("POST", "/conversations/private/messages?wait=hosted&timeout_ms=20000", { role: "user", content: "after all" })).json.reached.tier, "hosted")
  })
})

describe("the table of attacks", () => {
  it("is the one that is kept", () => {
    assert.isAtLeast(outcomes.size, 150)
    matches("attacks.md", ["| attack | outcome |", "| --- | --- |", ...[...outcomes].map(([attack, outcome]) => `| ${attack.replaceAll("|", "\\|")} | ${outcome} |`), ""].join("\n"))
  })
})
