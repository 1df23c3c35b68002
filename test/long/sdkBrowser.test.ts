// Goal: a web page is a surface like any other: it writes without a network, keeps it over a reload, and no other page gets at it or at the backends.
// Method: the SDK in a real headless Chromium against hosted and local backends as processes; pages of other origins, a re-bound name, two tabs.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, BrowserContext, Page } from "playwright-core"
import { bundle, inPage, isMissing, leftOut, reboundName, servePages, startBrowser } from "../support/browser.ts"
import { companionCode, pairingCode } from "../support/companion.ts"
import { done, type History, shown } from "../support/linked.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

interface Kept {
  readonly messages: ReadonlyArray<{ readonly content: string; readonly reached: string }>
}

describe.skipIf(isMissing("chromium"))(`the SDK in a browser${leftOut("chromium")}`, () => {
  let world: World
  let hosted: Backend
  let local: Backend
  let tenant: string
  let browser: Browser
  let app: Awaited<ReturnType<typeof servePages>>
  let foreign: Awaited<ReturnType<typeof servePages>>

  beforeAll(async () => {
    const script = bundle("test/browser/page.ts")
    ;[app, foreign, world, browser] = await Promise.all([servePages(script), servePages(script), makeWorld(), startBrowser("chromium")])
    hosted = await world.hosted("hosted", { args: ["--syncs-per-minute", "1000", "--allowed-origin", app.origin] })
    local = await world.local("a", { args: ["--allowed-origin", app.origin] })
    tenant = await world.pair(hosted, local)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    app?.close()
    foreign?.close()
    await world?.close()
  })

  /** A tab with the app in it. */
  const tabOf = async (context: BrowserContext, url = app.origin): Promise<Page> => {
    const page = await context.newPage()
    await page.goto(url)
    return page
  }
  const opened = (page: Page) => inPage(page, `(globalThis.surface = await open("test"), surface.backendId)`)
  const kept = (page: Page, id: string) => inPage<Kept | undefined>(page, `surface.get(${JSON.stringify(id)})`)
  const say = (page: Page, id: string, content: string) => inPage<string>(page, `surface.append(${JSON.stringify(id)}, { role: "user", content: ${JSON.stringify(content)} })`)
  const writes = async (id: string, message: string) => (await done<History>(hosted, "GET", `/conversations/${id}/messages/${message}/history?tenant=${tenant}`)).writes.length

  it("hosted alone: what is written offline survives a reload and arrives once the network is back; keys cannot be taken", { timeout: 120_000 }, async () => {
    const context = await browser.newContext()
    const page = await tabOf(context)
    const id = await opened(page)
    await inPage(page, `surface.joinHosted(${JSON.stringify(await pairingCode(hosted, "ada"))})`)
    await inPage(page, "surface.sync()")
    await context.setOffline(true)
    const first = await say(page, "offline", "written in a tunnel")
    await say(page, "offline", "and another")
    assert.match(await inPage(page, `surface.sync().then(() => "went through", (cause) => cause.kind)`), /unreachable/)
    // the page itself comes from somewhere else, as from a cache
    await context.route(`${hosted.url()}/**`, (route) => route.abort("internetdisconnected"))
    await context.setOffline(false)
    await page.reload()
    assert.strictEqual(await opened(page), id)
    await inPage(page, "surface.start()")
    assert.deepStrictEqual((await kept(page, "offline"))?.messages.map(({ content, reached }) => [content, reached]), [["written in a tunnel", "here"], ["and another", "here"]])
    assert.strictEqual((await hosted.http("GET", `/conversations/offline?tenant=${tenant}`)).status, 404)
    await context.unroute(`${hosted.url()}/**`)
    await until(async () => (await kept(page, "offline"))!.messages.every(({ reached }) => reached === "hosted"), 40_000)
    assert.deepStrictEqual((await shown(hosted, "offline", tenant)).messages.map(({ content }) => content), ["written in a tunnel", "and another"])
    assert.strictEqual(await writes("offline", first), 1)
    // back again: what others write comes by itself, and the page tells what it measures
    await done(local, "POST", "/conversations/offline/messages", { role: "assistant", content: "welcome back" })
    await until(async () => (await kept(page, "offline"))!.messages.length === 3, 40_000)
    const event = await inPage<string>(page, `surface.emit({ event_type: "page view" })`)
    await until(async () => (await hosted.http<{ readonly events: ReadonlyArray<{ readonly event_id: string }> }>("GET", `/telemetry?tenant=${tenant}&source=web`)).json.events.some(({ event_id }) => event_id === event), 20_000)
    assert.deepStrictEqual(await inPage(page, "surface.steal()"), { kept: 3, extractable: 0, got: [] })
    await context.close()
  })

  it("hybrid: a companion of the machine's own backend writes to both, each once", { timeout: 120_000 }, async () => {
    const context = await browser.newContext()
    const page = await tabOf(context)
    await opened(page)
    await inPage(page, `surface.joinLocal(${JSON.stringify(local.url())}, ${JSON.stringify(await companionCode(local))})`)
    await inPage(page, "surface.start()")
    const message = await say(page, "hybrid", "to both")
    await until(async () => (await kept(page, "hybrid"))?.messages[0]?.reached === "hosted", 40_000)
    await agreed(tenant, hosted, [local])
    assert.strictEqual(await writes("hybrid", message), 1)
    assert.deepStrictEqual((await shown(local, "hybrid", tenant)).surfaces, ["web"])
    await context.close()
  })

  it("two tabs do not fight: one chain, every word once, both show the same", { timeout: 120_000 }, async () => {
    const context = await browser.newContext()
    const tabs = [await tabOf(context), await tabOf(context)]
    const ids = [await opened(tabs[0]!), await opened(tabs[1]!)]
    assert.strictEqual(ids[0], ids[1])
    await inPage(tabs[0]!, `surface.joinHosted(${JSON.stringify(await pairingCode(hosted, "ada"))})`)
    for (const tab of tabs) await inPage(tab, "surface.start()")
    const said = tabs.flatMap((_, at) => Array.from({ length: 8 }, (_, n) => `${at}.${n}`))
    const messages = await Promise.all(said.map((content) => say(tabs[Number(content[0])]!, "tabs", content)))
    const all = async (tab: Page) => ((await kept(tab, "tabs"))?.messages ?? []).filter(({ reached }) => reached === "hosted").map(({ content }) => content).sort()
    await until(async () => (await all(tabs[0]!)).length === said.length, 40_000)
    assert.deepStrictEqual(await all(tabs[1]!), [...said].sort())
    assert.deepStrictEqual((await shown(hosted, "tabs", tenant)).messages.map(({ content }) => content).sort(), [...said].sort())
    for (const message of messages) assert.strictEqual(await writes("tabs", message), 1)
    // the one that had the streams is closed; the other goes on
    await tabs[0]!.close()
    await say(tabs[1]!, "tabs", "still here")
    await until(async () => (await all(tabs[1]!)).includes("still here"), 40_000)
    await context.close()
  })

  it("the owner's page gets in by the code of `maestra local open`, once, and hears what happens", { timeout: 60_000 }, async () => {
    const { url } = JSON.parse((await local.cli("local", "open", "--json")).out) as { readonly url: string }
    const code = new URL(url).hash.replace("#code=", "")
    const context = await browser.newContext()
    const page = await tabOf(context)
    const at = JSON.stringify({ url: local.url() })
    await inPage(page, `(globalThis.session = await openOwnerSession(${at}, ${JSON.stringify(code)}), "")`)
    assert.strictEqual(await inPage(page, `openOwnerSession(${at}, ${JSON.stringify(code)}).then(() => "again", (cause) => cause.status)`), 401)
    await inPage(page, `(globalThis.heard = [], globalThis.mine = localBackend({ ...${at}, token: session.token }, "web"), void mine.listen({ onEvent: (event) => heard.push(event.subject), onLive: (live) => { globalThis.live = live }, signal: new AbortController().signal }), "")`)
    await until(async () => await inPage(page, "globalThis.live === true"), 10_000)
    await inPage(page, `mine.conversations.append("owned", { id: "m", role: "user", content: "mine" })`)
    await until(async () => (await inPage<ReadonlyArray<string>>(page, "heard")).includes("owned"), 10_000)
    assert.match(await inPage(page, "mine.status().then(({ state }) => state)"), /in_step|sending|receiving/)
    await context.close()
  })

  describe("a page that has no business here", () => {
    it("of another origin reads nothing, writes nothing, opens no socket, whatever token it has", { timeout: 60_000 }, async () => {
      const token = readFileSync(join(local.dir, "token"), "utf8").trim()
      const page = await tabOf(await browser.newContext(), foreign.origin)
      const asked = (init: string, path = "/conversations") => inPage(page, `tried(${JSON.stringify(local.url() + path)}, ${init})`)
      const bearer = `headers: { authorization: "Bearer ${token}" }`
      assert.strictEqual(await asked(`{ ${bearer} }`), "blocked")
      assert.strictEqual(await asked("{}", "/health"), "blocked")
      // requests a browser sends without asking first: they arrive, and are refused
      assert.strictEqual(await asked(`{ mode: "no-cors", method: "POST", body: '{"conversation_id":"planted"}' }`), "opaque")
      assert.strictEqual(await asked(`{ mode: "no-cors", method: "POST", body: "{}" }`, "/pause"), "opaque")
      assert.strictEqual((await local.http("GET", "/conversations/planted")).status, 404)
      assert.notStrictEqual((await local.http("GET", "/status")).json.state, "paused")
      const peer = (await local.http("GET", "/status")).json.peer_id
      for (const backend of [local, hosted]) {
        assert.strictEqual(await inPage(page, `dialled(${JSON.stringify(backend.url().replace("http", "ws") + `/telemetry/${peer}`)}, ["maestra.v1", "sbt.${token}"])`), "refused", backend.name)
        assert.strictEqual(await inPage(page, `tried(${JSON.stringify(`${backend.url()}/identity`)})`), "blocked", backend.name)
      }
    })

    it("that re-bound its own name to this machine is refused, also as if it were at home", { timeout: 60_000 }, async () => {
      const port = new URL(local.url()).port
      const context = await browser.newContext()
      const page = await context.newPage()
      const answer = await page.goto(`http://${reboundName}:${port}/health`)
      assert.strictEqual(answer?.status(), 403)
      assert.include(await answer!.text(), "host-forbidden")
      // same-origin now, for the browser: no CORS, no preflight
      for (const path of ["/conversations", "/identity", "/"]) assert.strictEqual(await page.evaluate(`fetch("${path}").then(({ status }) => status)`), 403, path)
    })

    it("of an allowed origin without a token, or with another's, is refused", { timeout: 60_000 }, async () => {
      const other = await world.local("b")
      const page = await tabOf(await browser.newContext())
      const asked = (token: string) => inPage(page, `tried(${JSON.stringify(`${local.url()}/conversations`)}, { headers: { authorization: "Bearer ${token}" } })`)
      assert.strictEqual(await inPage(page, `tried(${JSON.stringify(`${local.url()}/conversations`)})`), 401)
      for (const token of ["", "wrong", readFileSync(join(other.dir, "token"), "utf8").trim(), readFileSync(join(hosted.dir, "admin-token"), "utf8").trim()]) assert.strictEqual(await asked(token), 401)
      assert.strictEqual(await asked(readFileSync(join(local.dir, "token"), "utf8").trim()), 200)
    })
  })
})
