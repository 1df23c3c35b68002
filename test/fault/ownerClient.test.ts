// Goal: what the web app stands on: an owner's client reads and writes everything, hears what happens, and comes back to where it was.
// Method: the client over the real gateway and tables with ports in memory; the network is cut under its event stream.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Heard } from "../../src/sdk/typescript/owner/answers.ts"
import { healthOf, localBackend } from "../../src/sdk/typescript/owner/Backend.ts"
import { MaestraError } from "../../src/sdk/typescript/problems.ts"
import { makeRig, type Rig, secret } from "../support/gatewayRig.ts"
import { until } from "../support/world.ts"

const rig = makeRig({ side: "local" })
const client = (at: Rig, fetching: typeof fetch = fetch) => localBackend({ url: at.url, token: secret, fetch: fetching }, "web")
const wire = <A>(run: () => Promise<A>) => Effect.promise(run)

describe("an owner's client", () => {
  it.live("writes, edits, restores and deletes, whatever the ids look like", () =>
    Effect.flatMap(rig, (at) => wire(async () => {
      const { conversations } = client(at)
      for (const id of ["plain", "..", "~.", "a/b?c#d", "日本"]) {
        await conversations.append(id, { id, role: "user", content: "one" })
        await conversations.edit(id, id, "two")
        const [, first] = await conversations.history(id, id)
        assert.strictEqual((await conversations.restore(id, id, first!.event_id)).content, "one", id)
        await conversations.rename(id, `Title of ${id}`)
        const { messages, title } = await conversations.get(id)
        assert.deepStrictEqual([title, messages.map(({ content, surface }) => [content, surface])], [`Title of ${id}`, [["one", "web"]]])
        await conversations.removeMessage(id, id)
        assert.lengthOf((await conversations.get(id)).messages, 0)
      }
      const made = await conversations.create("A new one")
      await conversations.remove(made.conversation_id)
      const first = await conversations.list({ limit: 3 })
      const rest = await conversations.list({ limit: 3, cursor: first.next! })
      assert.lengthOf([...first.items, ...rest.items], 5)
      assert.deepStrictEqual((await conversations.conflicts({ limit: 10 })).items, [])
    })))

  it.live("says why something was refused, and what to do", () =>
    Effect.flatMap(rig, (at) => wire(async () => {
      const refused = await client(at).conversations.get("nowhere").catch((cause: unknown) => cause)
      assert.instanceOf(refused, MaestraError)
      assert.deepInclude(refused, { kind: "refused", status: 404, type: "urn:maestra:problem:conversation-not-found" })
      const gone = await healthOf({ url: "http://127.0.0.1:9" }).catch((cause: unknown) => cause)
      assert.deepInclude(gone, { kind: "unreachable" })
      assert.strictEqual((await healthOf({ url: at.url })).backend_type, "local")
    })))

  it.live("hears everything once, over a stream that breaks in between", () =>
    Effect.flatMap(rig, (at) => wire(async () => {
      const heard: Array<Heard> = []
      const live: Array<boolean> = []
      let cut: AbortController | undefined
      const fetching: typeof fetch = (input, init) => {
        cut = new AbortController()
        return fetch(input, { ...init, signal: AbortSignal.any([cut.signal, init!.signal!]) })
      }
      const end = new AbortController()
      const { listen } = client(at, fetching)
      const listening = listen({ onEvent: (event) => heard.push(event), onLive: (up) => live.push(up), signal: end.signal })
      await until(() => live.length === 1, 5000)
      await client(at).conversations.append("c", { id: "1", role: "user", content: "before" })
      await until(() => heard.length === 1, 5000)
      cut!.abort()
      await client(at).conversations.append("c", { id: "2", role: "user", content: "meanwhile" })
      await until(() => heard.length === 2, 5000)
      end.abort()
      await listening
      assert.deepStrictEqual(heard.map(({ subject, type }) => [subject, type]), [["c", "message.appended"], ["c", "message.appended"]])
      assert.deepStrictEqual(live, [true, false, true, false])
    })))

  it.live("stops listening where its token does not hold", () =>
    Effect.flatMap(rig, (at) => wire(() =>
      localBackend({ url: at.url, token: "wrong" }, "web").listen({ onEvent: () => assert.fail("nothing to hear"), onLive: () => assert.fail("nothing is live"), signal: AbortSignal.timeout(5000) }))))
})
