import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Browser, Page } from "playwright-core"
import { type Engine, isMissing, leftOut, savedBy, startBrowser } from "../browser.ts"
import { openSurface, pairingCode, settle, type Surface } from "../companion.ts"
import { done, linkedHosted } from "../linked.ts"
import type { Link } from "../tcpLink.ts"
import { audit, buildWeb, keepPicture, tabWrongs, typeInto, watchPage, type Watched, wear } from "../webPage.ts"
import { agreed, type Backend, makeWorld, patience, until, type World } from "../world.ts"

/**
 * What a person does with the backend on their machine in a browser: a hosted one, two paired locals behind one link, and one
 * that is alone. Every page is watched for errors, dialogs and requests to anybody else; axe looks at every screen.
 */
export const localWebApp = (engine: Engine) =>
  describe.skipIf(isMissing(engine))(`the local web app in ${engine}${leftOut(engine)}`, () => {
    let world: World
    let browser: Browser
    let link: Link
    let hosted: Backend
    let laptop: Backend
    let desktop: Backend
    let tenant: string
    let phone: Surface
    let watched: Watched
    let page: Page

    beforeAll(async () => {
      if (isMissing(engine)) return
      world = await makeWorld()
      await buildWeb()
      browser = await startBrowser(engine)
      const linked = await linkedHosted(world)
      link = linked.link
      hosted = linked.hosted
      laptop = await world.local("laptop")
      desktop = await world.local("desktop")
      tenant = await world.pair(hosted, laptop)
      await world.pair(hosted, desktop)
      phone = await openSurface("ios")
      await phone.joinHosted(await pairingCode(hosted, "ada"))
      await done(laptop, "POST", "/conversations/groceries/messages", { id: "1", role: "user", content: "buy milk, mail ada@example.org" })
      await done(laptop, "PATCH", "/conversations/groceries", { title: "Groceries" })
      await agreed(tenant, hosted, [laptop, desktop])
      watched = await watchPage(browser, await openUrl(laptop))
      page = watched.page
    }, 600_000)

    afterAll(async () => {
      await browser?.close()
      await world?.close()
    })

    afterEach(() => assert.deepStrictEqual(watched?.wrongs ?? [], []))

    /** The address `maestra local open` prints. */
    const openUrl = async (backend: Backend): Promise<string> => (await done<{ readonly url: string }>(backend, "POST", "/companion-codes", { owner: true })).url
    const goTo = (place: string) => page.getByRole("link", { name: place, exact: false }).and(page.locator("nav a")).click()
    const open = (title: string) => page.getByRole("link", { name: title }).click()
    const message = (text: string) => page.getByRole("article").filter({ hasText: text })
    const keyOf = async (backend: Backend) => (await done<{ readonly keys: ReadonlyArray<{ readonly kind: string; readonly status: string; readonly key_id: string }> }>(backend, "GET", "/keys")).keys.find(({ kind, status }) => kind === "signing" && status === "current")?.key_id
    const act = async (text: string, what: string) => {
      await message(text).getByRole("button", { name: "More about this message" }).click()
      await page.getByRole("menuitem", { name: what }).click()
    }

    it("lets the owner in by a code that is good once, and takes it out of the address", async () => {
      const url = await openUrl(laptop)
      const first = await watchPage(browser, url)
      await first.page.getByRole("link", { name: "Groceries" }).waitFor()
      assert.notInclude(first.page.url(), "code")
      const second = await watchPage(browser, url)
      await second.page.getByRole("alert").getByText(/was used/).waitFor()
      await keepPicture(second.page, "locked")
      assert.deepStrictEqual([await audit(second.page), first.wrongs, second.wrongs], [[], [], []])
      await Promise.all([first.close(), second.close()])
    })

    it("shows that all is in step, and how far each message has come", async () => {
      await page.getByRole("status").getByText("In step").waitFor()
      await open("Groceries")
      await message("buy milk").getByText("Everywhere").waitFor()
      await page.getByRole("button", { name: "What others see of this message" }).click()
      await page.getByText("buy milk, mail [REDACTED_EMAIL]").waitFor()
      await page.keyboard.press("Escape")
    })

    it("writes, edits, looks into the history, restores and deletes", async () => {
      await typeInto(page.getByRole("textbox", { name: "Write a message" }), "and a **lemon**")
      await page.keyboard.press("Enter")
      await message("and a lemon").getByText("Everywhere").waitFor()
      await act("and a lemon", "Edit")
      await typeInto(page.getByRole("textbox", { name: "Edit the message" }), "and two lemons")
      await page.getByRole("button", { name: "Save" }).click()
      await act("and two lemons", "History")
      const history = page.getByRole("dialog", { name: "History" })
      await history.getByText("and a lemon").waitFor()
      await history.getByRole("button", { name: "Restore" }).click()
      await message("and a lemon").waitFor()
      await history.waitFor({ state: "detached" })
      await act("and a lemon", "Delete")
      await page.getByRole("dialog", { name: "Delete this message?" }).getByRole("button", { name: "Delete" }).click()
      await message("and a lemon").waitFor({ state: "detached" })
      const { messages } = await done<{ readonly messages: ReadonlyArray<unknown> }>(laptop, "GET", "/conversations/groceries")
      assert.lengthOf(messages, 1)
    })

    it("begins a conversation, renames it, finds it, deletes it", async () => {
      await page.getByRole("button", { name: "New" }).click()
      await typeInto(page.getByRole("textbox", { name: "Title" }), "Apple trees")
      await typeInto(page.getByRole("textbox", { name: "First message" }), "When to prune?")
      await page.getByRole("button", { name: "Begin" }).click()
      await message("When to prune?").waitFor()
      await page.getByRole("dialog").waitFor({ state: "detached" })
      await page.getByRole("button", { name: "More about this conversation" }).click()
      await page.getByRole("menuitem", { name: "Rename" }).click()
      await typeInto(page.getByRole("textbox", { name: "Title" }), "Pear trees")
      await page.getByRole("dialog", { name: "Rename" }).getByRole("button", { name: "Rename" }).click()
      await page.getByRole("heading", { name: "Pear trees" }).waitFor()
      await typeInto(page.getByRole("searchbox", { name: "Search conversations" }), "PRUN whe")
      await page.getByText("0 titles, 1 message").waitFor()
      await page.getByRole("link", { name: "Pear trees" }).filter({ hasText: "When to prune?" }).click()
      await page.locator("li[data-sought]").filter({ hasText: "When to prune?" }).waitFor()
      await typeInto(page.getByRole("searchbox", { name: "Search conversations" }), "pear TREE")
      await page.getByText("1 title, 0 messages").waitFor()
      await typeInto(page.getByRole("searchbox", { name: "Search conversations" }), "nothing like it")
      await page.getByText("Nothing says that").waitFor()
      await page.getByRole("button", { name: "Clear the search" }).click()
      await page.getByRole("button", { name: "More about this conversation" }).click()
      await page.getByRole("menuitem", { name: "Delete" }).click()
      await page.getByRole("dialog", { name: "Delete this conversation?" }).getByRole("button", { name: "Delete" }).click()
      await page.getByRole("link", { name: "Pear trees" }).waitFor({ state: "detached" })
    })

    it("shows what hosted and other devices write within a second, without a reload", async () => {
      await open("Groceries")
      await message("buy milk").waitFor()
      await settle(phone)
      const took: Array<number> = []
      for (const n of [1, 2, 3]) {
        const content = `buy ${n} litres`
        const began = performance.now()
        await phone.edit("groceries", "1", content)
        await phone.sync()
        await message(content).waitFor()
        took.push(performance.now() - began)
        await settle(phone)
      }
      assert.isBelow(took.sort((a, b) => a - b)[1]!, 1000, `${took.map(Math.round).join(", ")} ms`)
    })

    it("pauses: nothing is on the wire, work goes on, and resuming sends what waited", async () => {
      await done(desktop, "POST", "/pause")
      await goTo("Sync")
      await page.getByRole("switch", { name: /Pause syncing/ }).click()
      await page.getByRole("status").getByText("Paused").waitFor()
      const before = link.bytes()
      await goTo("Conversations")
      await open("Groceries")
      await typeInto(page.getByRole("textbox", { name: "Write a message" }), "while paused")
      await page.keyboard.press("Enter")
      await message("while paused").getByText("On this machine").waitFor()
      await page.getByText("1 change waits").waitFor()
      await goTo("Sync")
      await page.getByRole("region", { name: "Waits to be sent" }).getByText("A message in groceries").waitFor()
      await keepPicture(page, "paused")
      await page.waitForTimeout(1500)
      assert.strictEqual(link.bytes() - before, 0)
      assert.strictEqual((await hosted.http("GET", `/conversations/groceries?tenant=${tenant}`)).text.includes("while paused"), false)
      await goTo("Sync")
      await page.getByRole("switch", { name: /Pause syncing/ }).click()
      await page.getByRole("status").getByText("In step").waitFor()
      assert.isAbove(link.bytes(), before)
      await done(desktop, "POST", "/resume")
      await agreed(tenant, hosted, [laptop, desktop])
    })

    it("shows both sides of a conflict, and settles it", async () => {
      for (const local of [laptop, desktop]) await done(local, "POST", "/pause")
      await done(laptop, "PUT", "/conversations/groceries/messages/1", { content: "to the sea" })
      await done(desktop, "PUT", "/conversations/groceries/messages/1", { content: "to the hills" })
      for (const local of [laptop, desktop]) await done(local, "POST", "/resume")
      await agreed(tenant, hosted, [laptop, desktop])
      await goTo("Conflicts")
      const losing = page.getByRole("region", { name: "The other version" })
      const text = (await losing.getByText(/to the (sea|hills)/).textContent())!
      await keepPicture(page, "conflict")
      await losing.getByRole("button", { name: "Use this one" }).click()
      await page.getByText("Nobody disagrees").waitFor()
      await agreed(tenant, hosted, [laptop, desktop])
      const { messages } = (await hosted.http<{ readonly messages: ReadonlyArray<{ readonly content: string }> }>("GET", `/conversations/groceries?tenant=${tenant}`)).json
      assert.strictEqual(messages[0]?.content, text)
    })

    it("changes what may leave, and shows it on what is typed", async () => {
      await goTo("Privacy")
      await typeInto(page.getByRole("textbox", { name: "You write" }), "call +44 20 7946 0958 or ada@example.org")
      const seen = page.getByRole("status", { name: "Others see" })
      await seen.getByText("[REDACTED_PHONE]").waitFor()
      await seen.getByText("[REDACTED_EMAIL]").waitFor()
      await page.getByRole("switch", { name: /Redact personal data/ }).click()
      await seen.getByText("ada@example.org").waitFor()
      await until(async () => !(await done<{ readonly redact_pii: boolean }>(laptop, "GET", "/privacy-settings")).redact_pii, 20_000)
      await page.getByRole("switch", { name: /Redact personal data/ }).click()
      await seen.getByText("[REDACTED_EMAIL]").waitFor()
      await until(async () => (await done<{ readonly redact_pii: boolean }>(desktop, "GET", "/privacy-settings")).redact_pii, 20_000)
      assert.match(await savedBy(page, () => page.getByRole("button", { name: "Download" }).click()), /\.tar\.gz$/)
    })

    it("vouches for another device", async () => {
      await goTo("Devices")
      await page.getByRole("button", { name: "This is mine" }).first().click()
      await page.getByText("Confirmed").first().waitFor()
    })

    it("makes new keys for this machine, once asked twice", async () => {
      const before = await keyOf(laptop)
      await goTo("Devices")
      await page.getByRole("button", { name: "Make new keys" }).click()
      await page.getByRole("dialog", { name: "Make new keys?" }).getByRole("button", { name: "Make new keys" }).click()
      await page.getByText(/New keys are (in force|made)/).waitFor()
      await until(async () => await keyOf(laptop) !== before, 20_000)
    })

    it("counts what this machine did", async () => {
      await done(laptop, "POST", "/telemetry", { events: [{ event_type: "advisor_ask", latency_ms: 1200, tokens_used: 345, cost_usd: 0.25, model: "small-7b" }] })
      await goTo("Telemetry")
      await page.getByRole("rowheader", { name: "small-7b" }).waitFor()
      await page.getByText("$0.25").first().waitFor()
    })

    it("has no serious finding on any screen, in light and dark, wide and narrow, and Tab comes to everything in order", async () => {
      const findings: Array<string> = []
      for (const scheme of ["light", "dark"] as const) {
        for (const [width, height] of [[1440, 900], [390, 844]] as const) {
          await wear(page, scheme)
          await page.setViewportSize({ width, height })
          for (const [place, heading] of [["conversations", "Conversations"], ["conversations/groceries", "Groceries"], ["conflicts", "Conflicts"], ["sync", "Sync"], ["devices", "Devices"], ["privacy", "Privacy"], ["telemetry", "Telemetry"]] as const) {
            await page.goto(`${laptop.url()}/#/${place}`)
            await page.getByRole("heading", { name: heading, exact: true }).first().waitFor()
            await page.locator(".mantine-Skeleton-root").first().waitFor({ state: "detached" })
            await keepPicture(page, `${place.replace("/", "-")}-${width}-${scheme}`)
            findings.push(...(await audit(page)).map((finding) => `${place} ${width} ${scheme}: ${finding}`))
            if (engine === "chromium" && scheme === "light") findings.push(...(await tabWrongs(page)).map((finding) => `${place} ${width}: ${finding}`))
            if (Number(await page.evaluate("document.documentElement.scrollWidth")) > width) findings.push(`${place} ${width}: wider than the page`)
          }
        }
      }
      assert.deepStrictEqual(findings, [])
    }, 300_000 * patience)

    it("pairs a machine that was alone, by a pasted code", async () => {
      // a disk that is never large enough: an alert fires
      const alone = await world.local("alone", { args: ["--alerts", "disk_low=900000000000000"] })
      const fresh = await watchPage(browser, await openUrl(alone))
      await fresh.page.getByText("No conversations yet").waitFor()
      await fresh.page.getByRole("status").getByText("Only on this machine").waitFor()
      await keepPicture(fresh.page, "alone")
      await fresh.page.goto(`${alone.url()}/#/devices`)
      await typeInto(fresh.page.getByRole("textbox", { name: "Pairing code" }), "no code at all")
      await fresh.page.getByRole("button", { name: "Pair", exact: true }).click()
      await fresh.page.getByRole("alert").first().waitFor()
      await typeInto(fresh.page.getByRole("textbox", { name: "Pairing code" }), await pairingCode(hosted, "ada"))
      await fresh.page.getByRole("button", { name: "Pair", exact: true }).click()
      await fresh.page.getByRole("status").getByText("In step").waitFor()
      await fresh.page.goto(`${alone.url()}/#/sync`)
      await fresh.page.getByRole("note").filter({ hasText: "are left on the disk" }).getByText("Make room before").waitFor()
      assert.deepStrictEqual(fresh.wrongs, [])
      await fresh.close()
      await alone.stop()
    })

    it("says that the backend does not answer, keeps what was read, and goes on when it is back", async () => {
      await page.setViewportSize({ width: 1280, height: 800 })
      await goTo("Conversations")
      await open("Groceries")
      await laptop.stop()
      await page.getByText("The backend on this machine does not answer.").waitFor()
      await page.getByRole("link", { name: "Groceries" }).waitFor()
      await keepPicture(page, "unreachable")
      await laptop.start()
      await page.getByRole("status").getByText("In step").waitFor()
    }, 120_000 * patience)

    it("erases everything, once the word for it was typed, and says what became of it", async () => {
      await goTo("Privacy")
      await page.getByRole("button", { name: "Erase", exact: true }).click()
      const dialog = page.getByRole("dialog", { name: "Erase everything?" })
      assert.isTrue(await dialog.getByRole("button", { name: "Erase for good" }).isDisabled())
      await typeInto(dialog.getByRole("textbox"), "erase")
      await dialog.getByRole("button", { name: "Erase for good" }).click()
      await page.getByText("Hosted holds nothing of you any more").waitFor({ timeout: 150_000 })
      await keepPicture(page, "erased")
      await page.getByRole("status").getByText("Only on this machine").waitFor()
      await goTo("Conversations")
      await page.getByText("No conversations yet").waitFor()
      assert.strictEqual((await done<{ readonly conversations: number }>(laptop, "GET", "/status")).conversations, 0)
    }, 200_000 * patience)
  })
