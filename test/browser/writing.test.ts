// Goal: what a person types is never lost, sent twice or left with a page that was locked, and the keyboard stays where it was.
// Method: headless Chromium on a running gateway with its log in memory; answers are cut off, and somebody else writes in between.
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import type { Browser, Page } from "playwright-core"
import { isMissing, leftOut, startBrowser } from "../support/browser.ts"
import { listOf, makeRig, type Rig } from "../support/gatewayRig.ts"
import { audit, buildWeb, watchPage, type Watched } from "../support/webPage.ts"
import { until } from "../support/world.ts"

describe.skipIf(isMissing("chromium"))(`a page somebody writes in${leftOut("chromium")}`, () => {
  const scope = Scope.makeUnsafe()
  let rig: Rig
  let browser: Browser
  let watched: Watched
  let page: Page

  beforeAll(async () => {
    if (isMissing("chromium")) return
    await buildWeb()
    rig = await Effect.runPromise(Scope.provide(makeRig({ side: "local" }), scope))
    for (const [id, title] of [["groceries", "Groceries"], ["trip", "A trip"]]) {
      await rig.ask("POST", "/conversations", { conversation_id: id, title })
      await rig.ask("POST", `/conversations/${id}/messages`, { id: "1", role: "user", content: `about ${id}` })
    }
    browser = await startBrowser("chromium")
    watched = await watchPage(browser, `${rig.url}/#code=good`)
    page = watched.page
    await open("Groceries")
  })

  afterAll(async () => {
    await browser?.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  afterEach(() => assert.deepStrictEqual(watched?.wrongs ?? [], []))

  const open = (title: string) => page.getByRole("link", { name: title }).click()
  const field = () => page.getByRole("textbox", { name: "Write a message" })
  const more = () => page.getByRole("button", { name: "More about this message" }).first()
  const focused = () => page.evaluate<string | null>("document.activeElement.getAttribute('aria-label')")
  /** What was opened takes the keyboard by itself, a moment later: from then on keys go where they should. */
  const hasKeyboard = (role: "menu" | "dialog") => until(() => page.evaluate<boolean>(`document.activeElement.closest("[role=${role}]") !== null`), 20_000)
  const choose = async (item: string) => {
    await hasKeyboard("menu")
    await page.getByRole("menuitem", { name: item }).press("Enter")
  }
  const contents = async (id: string) => listOf((await rig.ask("GET", `/conversations/${id}`)).body, "messages").map(({ content }) => content)
  /** The next request like this is carried out, and its answer gets lost. */
  const loseAnswer = (path: RegExp) => page.route(path, async (route) => {
    await route.fetch()
    await route.abort()
  }, { times: 1 })
  /** What says so is seen, and taken away: the next one is another. */
  const unanswered = async () => {
    const said = page.getByRole("alert").filter({ hasText: "The backend does not answer" })
    await said.waitFor()
    await said.getByRole("button", { name: "Dismiss" }).click()
    await said.waitFor({ state: "detached" })
  }

  it("finds again what was being written, also of an edit, and says that somebody else wrote meanwhile", async () => {
    await field().fill("half a thought")
    await more().click()
    await page.getByRole("menuitem", { name: "Edit" }).click()
    await page.getByRole("textbox", { name: "Edit the message" }).fill("about many groceries")
    await open("A trip")
    await page.getByText("about trip").waitFor()
    assert.strictEqual(await field().inputValue(), "")
    await open("Groceries")
    assert.strictEqual(await page.getByRole("textbox", { name: "Edit the message" }).inputValue(), "about many groceries")
    assert.strictEqual(await field().inputValue(), "half a thought")
    await rig.ask("PUT", "/conversations/groceries/messages/1", { content: "about no groceries" })
    await page.getByText("Somebody changed this message while you were writing").waitFor()
    assert.deepStrictEqual(await audit(page), [])
    await page.getByRole("textbox", { name: "Edit the message" }).press("Control+Enter")
    await until(async () => await focused() === "More about this message", 20_000)
    assert.deepStrictEqual(await contents("groceries"), ["about many groceries"])
  })

  it("writes a message once, though its answer gets lost and it is sent again; what was typed meanwhile stays", async () => {
    await loseAnswer(/\/conversations\/groceries\/messages$/)
    await field().press("Enter")
    await unanswered()
    await field().press("Enter")
    await field().pressSequentially(" and more")
    await until(async () => await field().inputValue() === " and more", 20_000)
    assert.deepStrictEqual(await contents("groceries"), ["about many groceries", "half a thought"])
  })

  it("begins a conversation once, though the answer for its message gets lost", async () => {
    await page.getByRole("button", { name: "New" }).click()
    await page.getByRole("textbox", { name: "Title" }).fill("Apple trees")
    await page.getByRole("textbox", { name: "First message" }).fill("When to prune?")
    await loseAnswer(/\/conversations\/[^/]+\/messages$/)
    await page.getByRole("button", { name: "Begin" }).click()
    await unanswered()
    await page.getByRole("button", { name: "Begin" }).click()
    await page.getByRole("heading", { name: "Apple trees" }).waitFor()
    await page.getByRole("dialog").waitFor({ state: "detached" })
    const all = listOf((await rig.ask("GET", "/conversations")).body, "conversations").filter(({ title }) => title === "Apple trees")
    assert.deepStrictEqual(all.map(({ message_count }) => message_count), [1])
  })

  it("gives the keyboard back to where a dialog was opened, and to the screen where that is gone", async () => {
    for (const [button, item, title] of [["More about this conversation", "Rename", "Rename"], ["More about this message", "History", "History"], ["More about this message", "Delete", "Delete this message?"]] as const) {
      await page.getByRole("button", { name: button }).first().focus()
      await page.keyboard.press("Enter")
      await choose(item)
      await page.getByRole("dialog", { name: title }).waitFor()
      await hasKeyboard("dialog")
      await page.keyboard.press("Escape")
      await page.getByRole("dialog").waitFor({ state: "detached" })
      await until(async () => await focused() === button, 20_000, () => `${item}`)
    }
    await more().press("Enter")
    await choose("Delete")
    await page.getByRole("dialog", { name: "Delete this message?" }).getByRole("button", { name: "Delete" }).click()
    await page.getByText("No messages").waitFor()
    await until(async () => await page.evaluate<string>("document.activeElement.id") === "main", 20_000)
  })

  it("goes through the list by arrow keys, and opens by Enter", async () => {
    const rows = page.getByTestId("conversation-rows").getByRole("link")
    // the list has heard of what was done last, and stays in its order
    await rows.filter({ hasText: "Apple trees" }).getByText("0 messages").waitFor()
    await rows.first().focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    const last = rows.nth(await rows.count() - 1)
    assert.strictEqual(await page.evaluate<string>("document.activeElement.getAttribute('href')"), await last.getAttribute("href"))
    await page.keyboard.press("Enter")
    await until(async () => new URL(page.url()).hash === await last.getAttribute("href"), 20_000)
  })

  it("locked, it holds nothing any more, nor does its session at the backend; a wrong token says so", async () => {
    const held = await page.evaluate<string>("Object.values(sessionStorage)[0]")
    const statusWith = (token: string) => rig.ask("GET", "/status", undefined, { authorization: `Bearer ${token}` }).then(({ status }) => status)
    assert.strictEqual(await statusWith(held), 200)
    await page.getByRole("button", { name: "Lock this page" }).click()
    await page.getByRole("alert").getByText("This page is locked. What let it in opens nothing any more.").waitFor()
    await until(async () => await statusWith(held) === 401, 20_000)
    await page.getByRole("textbox", { name: "Or paste the local token" }).fill("wrong")
    await page.getByRole("button", { name: "Let me in" }).click()
    await page.getByRole("alert").getByText("does not hold here").waitFor()
    assert.deepStrictEqual(await audit(page), [])
    await page.evaluate(`location.assign(${JSON.stringify(`${rig.url}/#code=good`)})`)
    await open("Groceries")
    assert.notInclude(page.url(), "code")
    assert.strictEqual(await field().inputValue(), "")
  })
})
