// Goal: two machines that change one message apart agree when they meet, and nothing anybody typed is out of reach.
// Method: both cut off from hosted, once by the link and once by pausing; the same message edited on both, others added; then back.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type Conflicts, done, type History, linkedHosted, type Said, shown, statusOf } from "../support/linked.ts"
import { agreed, type Backend, makeWorld, type World } from "../support/world.ts"
import type { Link } from "../support/tcpLink.ts"

let world: World
let hosted: Backend
let link: Link
let a: Backend
let b: Backend
let tenant: string
const inStep = () => agreed(tenant, hosted, [a, b])

beforeAll(async () => {
  world = await makeWorld()
  ;({ hosted, link } = await linkedHosted(world))
  ;[a, b] = await Promise.all([world.local("a"), world.local("b")])
  tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
})
afterAll(() => world.close())

interface Apart {
  readonly how: string
  readonly part: () => Promise<void>
  readonly meet: () => Promise<void>
}

const ways: ReadonlyArray<Apart> = [
  { how: "by the link", part: async () => link.cut("close"), meet: async () => link.mend() },
  {
    how: "by pausing",
    part: async () => { await Promise.all([a, b].map((local) => done(local, "POST", "/pause"))) },
    meet: async () => { await Promise.all([a, b].map((local) => done(local, "POST", "/resume"))) }
  }
]

describe.each(ways)("two machines apart $how", ({ how, meet, part }) => {
  const place = how.replaceAll(" ", "-")
  const path = `/conversations/${place}/messages`
  let message: string
  let ours: Said
  let theirs: Said

  it("write the same message and others, and agree when they meet", async () => {
    message = (await done<Said>(a, "POST", path, { role: "user", content: "as it was" })).message.id
    await inStep()
    await part()
    // alone, a makes two writes first: its edit carries the greater lamport
    await done(a, "POST", path, { role: "user", content: "only on a" })
    ours = await done(a, "PUT", `${path}/${message}`, { content: "as a has it" })
    theirs = await done(b, "PUT", `${path}/${message}`, { content: "as b has it" })
    await done(b, "POST", path, { role: "assistant", content: "only on b" })
    assert.isAbove(ours.stamp.lamport, theirs.stamp.lamport)
    assert.strictEqual((await shown(b, place, tenant)).messages[0]?.content, "as b has it")
    assert.notStrictEqual((await statusOf(a)).state, "in_step")

    await meet()
    await inStep()
    for (const backend of [a, b, hosted]) {
      const { messages } = await shown(backend, place, tenant)
      assert.deepStrictEqual(messages.map(({ content }) => content).sort(), ["as a has it", "only on a", "only on b"])
      assert.strictEqual(messages.find(({ id }) => id === message)?.conflicted, true)
    }
  })

  it("all list the conflict: what shows, and what lost", async () => {
    for (const backend of [a, b, hosted]) {
      const conflicts = await conflictsOf(backend, message)
      assert.strictEqual(conflicts.length, 1, backend.name)
      const { losing, shown } = conflicts[0]!
      assert.deepStrictEqual([shown.event_id, shown.content, shown.stamp], [ours.event_id, "as a has it", ours.stamp])
      assert.deepStrictEqual(losing.map(({ content, event_id, stamp }) => [event_id, content, stamp]), [[theirs.event_id, "as b has it", theirs.stamp]])
    }
  })

  it("the loser stays in the history of the message", async () => {
    for (const backend of [a, b, hosted]) {
      const { writes } = await done<History>(backend, "GET", forTenant(backend, `${path}/${message}/history`))
      assert.deepStrictEqual(writes.map(({ content, current }) => [content, current]), [["as a has it", true], ["as b has it", false], ["as it was", false]])
    }
  })

  it("restore brings it back everywhere, and the conflict is over", async () => {
    const restored = await b.cli("restore", place, message, theirs.event_id)
    assert.strictEqual(restored.code, 0, restored.err)
    await inStep()
    for (const backend of [a, b, hosted]) {
      const { messages } = await shown(backend, place, tenant)
      const now = messages.find(({ id }) => id === message)
      assert.deepStrictEqual([now?.content, now?.conflicted], ["as b has it", undefined], backend.name)
      assert.deepStrictEqual(await conflictsOf(backend, message), [], backend.name)
    }
  })
})

describe("a deletion against an edit", () => {
  it("is a conflict like any other: the greater stamp decides, and the words can be had back", async () => {
    const path = "/conversations/erased/messages"
    const { message: { id } } = await done<Said>(a, "POST", path, { role: "user", content: "kept or not" })
    await inStep()
    link.cut("close")
    const edited = await done<Said>(a, "PUT", `${path}/${id}`, { content: "kept" })
    await done(b, "POST", path, { role: "user", content: "beside it" })
    await done(b, "DELETE", `${path}/${id}`)
    link.mend()
    await inStep()
    for (const backend of [a, b, hosted]) {
      assert.deepStrictEqual((await shown(backend, "erased", tenant)).messages.map(({ content }) => content), ["beside it"])
      assert.deepStrictEqual((await conflictsOf(backend, id)).map(({ losing }) => losing.map(({ content }) => content)), [["kept"]])
    }
    await done(a, "POST", `${path}/${id}/restore`, { event_id: edited.event_id })
    await inStep()
    for (const backend of [a, b, hosted]) {
      assert.include((await shown(backend, "erased", tenant)).messages.map(({ content }) => content), "kept")
      assert.deepStrictEqual(await conflictsOf(backend, id), [])
    }
  })

  it("may stay a deletion: deleting once more settles it, as `conflicts` says, and no third deletion is taken", async () => {
    const path = "/conversations/gone/messages"
    const { message: { id } } = await done<Said>(a, "POST", path, { role: "user", content: "gone or not" })
    await inStep()
    link.cut("close")
    await done(a, "PUT", `${path}/${id}`, { content: "not" })
    await done(b, "POST", path, { role: "user", content: "beside it" })
    await done(b, "DELETE", `${path}/${id}`)
    link.mend()
    await inStep()
    assert.match((await a.cli("conflicts")).out, new RegExp(`keep what is shown: MAESTRA_DATA_DIR=\\S+ npx maestra delete gone ${id}`))
    assert.strictEqual((await a.cli("delete", "gone", id)).code, 0)
    await inStep()
    for (const backend of [a, b, hosted]) {
      assert.deepStrictEqual((await shown(backend, "gone", tenant)).messages.map(({ content }) => content), ["beside it"])
      assert.deepStrictEqual(await conflictsOf(backend, id), [])
    }
    assert.strictEqual((await a.http("DELETE", `${path}/${id}`)).status, 404)
  })
})

const forTenant = (backend: Backend, path: string) => backend.side === "hosted" ? `${path}?tenant=${tenant}` : path

const conflictsOf = async (backend: Backend, message: string): Promise<Conflicts["conflicts"]> =>
  (await done<Conflicts>(backend, "GET", forTenant(backend, "/conflicts"))).conflicts.filter(({ message_id }) => message_id === message)
