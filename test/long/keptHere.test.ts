// Goal: of a message that a privacy setting keeps on its machine the web app says so, why, and not that it is on its way.
// Method: a hosted backend and a paired local; a page on that writes while settings change under it.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Browser, Page } from "playwright-core"
import { isMissing, leftOut, startBrowser } from "../support/browser.ts"
import { done } from "../support/linked.ts"
import { buildWeb, keepPicture, typeInto, watchPage, type Watched } from "../support/webPage.ts"
import { agreed, type Backend, makeWorld, patience, type World } from "../support/world.ts"

describe.skipIf(isMissing("chromium"))(`what stays where it was written${leftOut("chromium")}`, () => {
  let world: World
  let browser: Browser
  let hosted: Backend
  let laptop: Backend
  let tenant: string
  let watched: Watched
  let page: Page

  beforeAll(async () => {
    if (isMissing("chromium")) return
    world = await makeWorld()
    await buildWeb()
    browser = await startBrowser("chromium")
    hosted = await world.hosted("hosted")
    laptop = await world.local("laptop")
    tenant = await world.pair(hosted, laptop)
    await done(laptop, "POST", "/conversations", { conversation_id: "groceries", title: "Groceries" })
    await agreed(tenant, hosted, [laptop])
    watched = await watchPage(browser, (await done<{ readonly url: string }>(laptop, "POST", "/companion-codes", { owner: true })).url)
    page = watched.page
    page.setDefaultTimeout(20_000 * patience)
    await page.getByRole("link", { name: "Groceries" }).click()
  }, 600_000)

  afterAll(async () => {
    await browser?.close()
    await world?.close()
  })

  const message = (text: string) => page.getByRole("article").filter({ hasText: text })
  const set = (change: object) => done(laptop, "PUT", "/privacy-settings", change)
  const say = async (text: string) => {
    await typeInto(page.getByRole("textbox", { name: "Write a message" }), text)
    await page.keyboard.press("Enter")
  }

  it("says so of each message, with the reason in its history", async () => {
    await set({ allowed_surfaces: ["cli"] })
    await say("for good")
    await message("for good").getByText("Kept here").waitFor()
    await keepPicture(page, "kept")
    await message("for good").getByRole("button", { name: "More about this message" }).click()
    await page.getByRole("menuitem", { name: "History" }).click()
    const history = page.getByRole("dialog", { name: "History" })
    await history.getByText("Privacy lets nothing leave that is written on this surface.").waitFor()
    await page.keyboard.press("Escape")
    await history.waitFor({ state: "detached" })
  }, 120_000 * patience)

  it("says so while a setting keeps back everything, and goes on when it may", async () => {
    await set({ allowed_surfaces: null, sync_conversations: false })
    await say("for a while")
    await message("for a while").getByText("Kept here").waitFor()
    await page.getByText("1 change stays here while “Conversations” is off").waitFor()
    await set({ sync_conversations: true })
    await message("for a while").getByText("Everywhere").waitFor()
    assert.isTrue(await message("for good").getByText("Kept here").isVisible())
    await agreed(tenant, hosted, [laptop])
    assert.deepStrictEqual(watched.wrongs, [])
  }, 120_000 * patience)
})
