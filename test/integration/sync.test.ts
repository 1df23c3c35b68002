// Goal: a word written on one machine is on the others, whatever is said: text, title, edit, deletion, return.
// Method: hosted and two locals as processes; each kind of write is made on one, and all must show it and agree.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { readSent } from "../../src/sdk/typescript/serverSentEvents.ts"
import { type Conflicts, done, isHidden, makePaired, type Said, shown, type Shown } from "../support/linked.ts"
import { agreed, type Backend, type Digest, digestOf, maestra, until, type World } from "../support/world.ts"

const oasst = fileURLToPath(new URL("../../../shared/data/conv/oasst_trees.jsonl.gz", import.meta.url))

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string
const inStep = () => agreed(tenant, hosted, [a, b])
const everywhere = async (id: string) => {
  await inStep()
  return Promise.all([a, b, hosted].map((backend) => shown(backend, id, tenant)))
}
/** What a person reads. */
const read = ({ messages }: Shown) => messages.map(({ content, role }) => [role, content])

beforeAll(async () => {
  ;({ a, b, hosted, tenant, world } = await makePaired())
})
afterAll(() => world.close())

const each = (conversations: ReadonlyArray<Shown>, is: (conversation: Shown) => void) => {
  assert.strictEqual(conversations.length, 3)
  for (const conversation of conversations) is(conversation)
}

describe("written on one, on all", () => {
  it("a message, its edit, its deletion and its return", async () => {
    const said = await done<Said>(a, "POST", "/conversations/groceries/messages", { role: "user", content: "buy milk" })
    each(await everywhere("groceries"), (seen) => assert.deepStrictEqual(read(seen), [["user", "buy milk"]]))

    await done(b, "PUT", `/conversations/groceries/messages/${said.message.id}`, { content: "buy oat milk" })
    each(await everywhere("groceries"), (seen) => assert.deepStrictEqual(read(seen), [["user", "buy oat milk"]]))

    await done(a, "POST", "/conversations/groceries/messages", { role: "assistant", content: "noted" })
    await done(a, "DELETE", `/conversations/groceries/messages/${said.message.id}`)
    each(await everywhere("groceries"), (seen) => assert.deepStrictEqual(read(seen), [["assistant", "noted"]]))

    await done(b, "POST", "/conversations/groceries/messages", { id: said.message.id, role: "user", content: "buy milk again" })
    each(await everywhere("groceries"), (seen) => assert.deepStrictEqual(read(seen), [["user", "buy milk again"], ["assistant", "noted"]]))
    for (const local of [a, b]) assert.deepStrictEqual((await done<Conflicts>(local, "GET", "/conflicts")).conflicts, [])
  })

  it("what a setting keeps on a machine is told with that setting, is no lag, and leaves when it may", async () => {
    await done(a, "PUT", "/privacy-settings", { sync_conversations: false })
    await done(a, "POST", "/conversations/kept/messages", { role: "user", content: "here" })
    const about = () => done<{ readonly sentence: string; readonly held_by: string | null }>(a, "GET", "/status")
    await until(async () => (await about()).held_by === "sync_conversations", 20_000)
    assert.strictEqual((await about()).sentence, "sending 1: kept here, because the privacy setting sync_conversations is off")
    const { peers } = await done<{ readonly peers: ReadonlyArray<{ readonly sync_lag_seconds: number; readonly queue_depth: number }> }>(a, "GET", "/sync/metrics")
    assert.deepStrictEqual([peers[0]?.sync_lag_seconds, peers[0]?.queue_depth], [0, 1])
    await done(a, "PUT", "/privacy-settings", { sync_conversations: true })
    each(await everywhere("kept"), (seen) => assert.deepStrictEqual(read(seen), [["user", "here"]]))
    assert.isNull((await about()).held_by)
  })

  it("a title, a new title, and the conversation gone and back", async () => {
    await done(b, "POST", "/conversations", { conversation_id: "trip", title: "A trip" })
    await done(b, "POST", "/conversations/trip/messages", { role: "user", content: "to the sea" })
    each(await everywhere("trip"), (seen) => assert.strictEqual(seen.title, "A trip"))

    await done(a, "PATCH", "/conversations/trip", { title: "The trip" })
    each(await everywhere("trip"), (seen) => assert.strictEqual(seen.title, "The trip"))

    await done(b, "DELETE", "/conversations/trip")
    await inStep()
    for (const backend of [a, b, hosted]) assert.isTrue(await isHidden(backend, "trip", tenant), backend.name)

    await done(a, "POST", "/conversations/trip/messages", { role: "user", content: "no, to the hills" })
    each(await everywhere("trip"), (seen) => assert.deepStrictEqual(read(seen).at(-1), ["user", "no, to the hills"]))
  })

  it("what redaction hides shows where it was written, beside what the others see", async () => {
    await done(a, "POST", "/conversations", { conversation_id: "secrets", title: "from ada@example.org" })
    await done(a, "POST", "/conversations/secrets/messages", { role: "user", content: "write to ada@example.org about it" })
    const hidden = "write to [REDACTED_EMAIL] about it"
    const [here, ...others] = await everywhere("secrets")
    assert.deepStrictEqual([here?.title, here?.shared], ["from ada@example.org", { title: "from [REDACTED_EMAIL]" }])
    assert.deepStrictEqual([here?.messages[0]?.content, here?.messages[0]?.shared], ["write to ada@example.org about it", { content: hidden }])
    assert.strictEqual(others.length, 2)
    for (const seen of others) {
      assert.deepStrictEqual([seen.title, seen.messages[0]?.content], ["from [REDACTED_EMAIL]", hidden])
      assert.isUndefined(seen.messages[0]?.shared)
      assert.notInclude(JSON.stringify(seen), "ada@example.org")
    }
  })
})

describe("an event stream", () => {
  it("tells of nothing that is not shown yet, on no side, whoever wrote it", async () => {
    const rounds = 25
    const leaving = new AbortController()
    const follow = async (backend: Backend) => {
      const token = readFileSync(join(backend.dir, backend.side === "hosted" ? "admin-token" : "token"), "utf8").trim()
      const query = backend.side === "hosted" ? `&tenant=${tenant}` : ""
      const { body } = await fetch(`${backend.url()}/events?from=now&subject=told${query}`, { headers: { authorization: `Bearer ${token}` }, signal: leaving.signal })
      return { backend, sent: readSent(body!) }
    }
    const followers = await Promise.all([a, b, hosted].map(follow))
    const reading = followers.map(async ({ backend, sent }) => {
      let heard = 0
      for await (const { data, event } of sent) {
        if (event !== "message.appended") continue
        const { content } = (JSON.parse(data) as { readonly data: { readonly content: string } }).data
        assert.include((await shown(backend, "told", tenant)).messages.map((message) => message.content), content, `${backend.name} does not show it yet`)
        if (++heard === 2 * rounds) return heard
      }
      return heard
    })
    for (let n = 0; n < rounds; n++) await Promise.all([a, b].map((local) => done(local, "POST", "/conversations/told/messages", { role: "user", content: `${local.name} ${n}` })))
    assert.deepStrictEqual(await Promise.all(reading), [2 * rounds, 2 * rounds, 2 * rounds])
    leaving.abort()
  })
})

describe("an import", () => {
  it("is on all; once more it adds nothing", async () => {
    const file = join(world.dir, "small.jsonl")
    writeFileSync(file, Array.from({ length: 30 }, (_, n) => `${JSON.stringify({
      conversation_id: `import-${n}`,
      title: `Number ${n}`,
      messages: Array.from({ length: 5 }, (_, m) => ({ role: m % 2 === 0 ? "user" : "assistant", content: `words ${n}/${m}`, timestamp: "2026-11-22T10:00:00.000Z" }))
    })}\n`).join(""))
    const before = await inStep()
    const first = await a.cli("import", file, "--json")
    assert.strictEqual(first.code, 0, first.err)
    assert.deepInclude(JSON.parse(first.out), { conversations: 30, messages: 150, events: 180 })
    const after = await inStep()
    assert.deepStrictEqual([after.conversations - before.conversations, after.messages - before.messages], [30, 150])

    for (const local of [a, b]) {
      const again = await local.cli("import", file, "--json")
      assert.strictEqual(again.code, 0, again.err)
      assert.deepInclude(JSON.parse(again.out), { events: 0, unchanged: 150 })
    }
    assert.deepStrictEqual(await inStep(), after)
  })

  it("exported on one machine goes into another, and nothing is new there", async () => {
    const file = join(world.dir, "export.jsonl")
    assert.strictEqual((await b.cli("export", "--out", file)).code, 0)
    const before = await digestOf(b, tenant)
    const back = await b.cli("import", file, "--json")
    assert.deepInclude(JSON.parse(back.out), { events: 0 })
    assert.deepStrictEqual(await inStep(), before)
  })
})

/** What `demo --once --json` prints. */
interface DemoAnswer {
  readonly equal: boolean
  readonly seconds: number
  readonly backends: ReadonlyArray<Digest & { readonly name: string; readonly backend_id: string }>
}

/** How each of the demo's backends was started, looked at while they run. */
const startedAs = async (home: string): Promise<ReadonlyMap<string, ReadonlyArray<string>>> => {
  const started = new Map<string, ReadonlyArray<string>>()
  await until(() => {
    for (const [name, side] of [["hosted", "hosted"], ["laptop", "local"], ["desktop", "local"]] as const) {
      const runtime = join(home, name, side, "runtime.json")
      if (started.has(name) || !existsSync(runtime)) continue
      const { pid } = JSON.parse(readFileSync(runtime, "utf8")) as { readonly pid: number }
      started.set(name, readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"))
    }
    return started.size === 3
  }, 120_000)
  return started
}

describe.skipIf(!existsSync(oasst))(`the demo${existsSync(oasst) ? "" : " (skipped: ../shared/data missing)"}`, () => {
  it("imports a file, agrees, and says so in JSON; a second time it adds nothing", { timeout: 400_000 }, async () => {
    const place = await world.local("demo", { start: false })
    const demo = async () => {
      const ran = await place.cli("demo", "--once", "--import", oasst, "--json")
      assert.strictEqual(ran.code, 0, ran.err)
      return JSON.parse(ran.out) as DemoAnswer
    }
    const [first, started] = await Promise.all([demo(), process.platform === "linux" ? startedAs(place.home) : new Map<string, ReadonlyArray<string>>()])
    // as small as those that are started by hand
    const flags = /^flags="(.+)"$/m.exec(readFileSync(maestra, "utf8"))![1]!.split(" ")
    for (const [name, line] of started) assert.deepStrictEqual(line.slice(1, 1 + flags.length), flags, name)
    assert.deepStrictEqual(Object.keys(first), ["equal", "seconds", "backends"])
    assert.isTrue(first.equal)
    assert.isAbove(first.seconds, 0)
    assert.deepStrictEqual(first.backends.map(({ name }) => name), ["hosted", "laptop", "desktop"])
    const one = first.backends[0]!
    for (const backend of first.backends) {
      assert.deepStrictEqual(Object.keys(backend).sort(), ["backend_id", "conversations", "digest", "messages", "name"])
      assert.match(backend.digest, /^[0-9a-f]{64}$/)
      assert.deepStrictEqual([backend.digest, backend.conversations, backend.messages], [one.digest, one.conversations, one.messages])
    }
    assert.isAbove(one.messages, 100)
    assert.deepStrictEqual((await demo()).backends, first.backends)
  })
})
