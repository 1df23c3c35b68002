import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Browser, Page } from "playwright-core"
import { type Engine, isMissing, leftOut, startBrowser } from "../browser.ts"
import { done } from "../linked.ts"
import { audit, buildWeb, keepPicture, tabWrongs, typeInto, watchPage, type Watched, wear } from "../webPage.ts"
import { agreed, type Backend, makeWorld, patience, until, type World } from "../world.ts"

/** What an operator does with a hosted backend in a browser: a real one with a paired local; axe looks at every screen. */
export const hostedWebApp = (engine: Engine) =>
  describe.skipIf(isMissing(engine))(`the hosted web app in ${engine}${leftOut(engine)}`, () => {
    let world: World
    let browser: Browser
    let hosted: Backend
    let watched: Watched
    let page: Page
    let peer: string
    let laptop: Backend

    beforeAll(async () => {
      if (isMissing(engine)) return
      world = await makeWorld()
      await buildWeb()
      browser = await startBrowser(engine)
      // a disk that is never large enough: one alert fires
      hosted = await world.hosted("hosted", { args: ["--alerts", "disk_low=900000000000000"] })
      laptop = await world.local("laptop")
      const tenant = await world.pair(hosted, laptop)
      await done(laptop, "POST", "/conversations/groceries/messages", { id: "1", role: "user", content: "buy milk" })
      await done(laptop, "POST", "/telemetry", { events: [{ event_type: "advisor_ask", latency_ms: 1200, tokens_used: 345, cost_usd: 0.25, model: "small-7b" }] })
      await agreed(tenant, hosted, [laptop])
      peer = (await done<{ readonly peer_id: string }>(laptop, "GET", "/status")).peer_id
      watched = await watchPage(browser, hosted.url())
      page = watched.page
    }, 600_000)

    afterAll(async () => {
      await browser?.close()
      await world?.close()
    })

    afterEach(() => assert.deepStrictEqual(watched?.wrongs ?? [], []))

    /**
     * How long one of several changes in a row is waited for, milliseconds. The page asks by itself once a minute only: they all come
     * in this time where each is told, and not otherwise.
     */
    const heardWithin = 20_000
    const silence = /^Silence: .* left on the disk/
    const goTo = (place: string) => page.locator("nav a").filter({ hasText: place }).click()

    it("lets nobody in by a wrong token, and the operator by the right one", async () => {
      const token = page.getByRole("textbox", { name: "Or paste an admin token" })
      await keepPicture(page, "hosted-locked")
      assert.deepStrictEqual(await audit(page), [])
      await typeInto(token, "wrong")
      await page.getByRole("button", { name: "Let me in" }).click()
      await page.getByRole("alert").getByText("does not hold here").waitFor()
      await typeInto(token, readFileSync(join(hosted.dir, "admin-token"), "utf8").trim())
      await page.getByRole("button", { name: "Let me in" }).click()
      await page.getByRole("heading", { name: "Telemetry" }).waitFor()
    })

    it("lets the operator in by the address of `hosted open`, once, and keeps no secret in it", async () => {
      const { url } = JSON.parse((await hosted.cli("hosted", "open", "--json")).out) as { readonly url: string }
      const first = await watchPage(browser, url)
      await first.page.getByRole("heading", { name: "Telemetry" }).waitFor()
      assert.notInclude(first.page.url(), "code")
      assert.notInclude(String(await first.page.evaluate("Object.values(sessionStorage).join()")), readFileSync(join(hosted.dir, "admin-token"), "utf8").trim())
      const second = await watchPage(browser, url)
      await second.page.getByRole("alert").getByText(/was used/).waitFor()
      // locked, it opens nothing any more, here or at the backend; a new address in the same window lets in again
      const held = String(await first.page.evaluate("Object.values(sessionStorage)[0]"))
      const statusWith = (token: string) => fetch(`${hosted.url()}/status`, { headers: { authorization: `Bearer ${token}` } }).then(({ status }) => status)
      assert.strictEqual(await statusWith(held), 200)
      await first.page.getByRole("button", { name: "Lock this page" }).click()
      await first.page.getByRole("alert").getByText("This page is locked.").waitFor()
      await until(async () => await statusWith(held) === 401, 20_000)
      const again = JSON.parse((await hosted.cli("hosted", "open", "--json")).out) as { readonly url: string }
      await first.page.evaluate(`location.assign(${JSON.stringify(again.url)})`)
      await first.page.getByRole("heading", { name: "Telemetry" }).waitFor()
      assert.notInclude(first.page.url(), "code")
      assert.deepStrictEqual([first.wrongs, second.wrongs], [[], []])
      await Promise.all([first.close(), second.close()])
    })

    it("adds up what devices count", async () => {
      await page.getByRole("rowheader", { name: "small-7b" }).waitFor()
      await page.getByText("$0.25").first().waitFor()
    })

    it("shows what a device counts as it comes, without a reload", async () => {
      await page.getByRole("heading", { name: "Telemetry" }).waitFor()
      for (const n of [1, 2, 3]) {
        await done(laptop, "POST", "/telemetry", { events: [{ event_type: `live_${n}`, latency_ms: 5 }] })
        await page.getByRole("rowheader", { name: `live_${n}` }).waitFor({ timeout: heardWithin })
      }
    })

    it("tells nobody of an alert for a while, and tells again", async () => {
      await goTo("Alerts")
      await page.getByRole("button", { name: silence }).click()
      await page.getByRole("dialog", { name: "Silence this alert?" }).getByText("1 day").click()
      await page.getByRole("dialog", { name: "Silence this alert?" }).getByRole("button", { name: "Silence" }).click()
      await page.getByText(/silent until/).waitFor()
      await page.getByRole("heading", { name: "Silent" }).waitFor()
      const { silences } = await done<{ readonly silences: ReadonlyArray<{ readonly kind: string }> }>(hosted, "GET", "/alerts")
      assert.deepStrictEqual(silences.map(({ kind }) => kind), ["disk_low"])
      await page.getByRole("button", { name: "Tell again of disk_low" }).click()
      await page.getByRole("heading", { name: "Silent" }).waitFor({ state: "detached" })
      await page.getByRole("button", { name: silence }).waitFor()
    })

    it("hears at once what becomes of an alert elsewhere", async () => {
      for (const [minutes, state] of [[60, "visible"], [0, "detached"], [60, "visible"], [0, "detached"]] as const) {
        await done(hosted, "POST", "/alerts/silence", { kind: "disk_low", minutes })
        await page.getByText(/silent until/).waitFor({ state, timeout: heardWithin })
      }
    })

    it("has no serious finding on any screen, in light and dark, wide and narrow, and Tab comes to everything in order", async () => {
      const findings: Array<string> = []
      for (const [scheme, width, height] of [["light", 1440, 900], ["dark", 390, 844], ["dark", 1440, 900], ["light", 390, 844]] as const) {
        await wear(page, scheme)
        await page.setViewportSize({ width, height })
        for (const [place, heading] of [["telemetry", "Telemetry"], ["peers", "Peers"], [`peers/${peer}`, "A device of ada"], ["alerts", "Alerts"], ["audit", "Audit"], ["streams", "Streams"]] as const) {
          await page.goto(`${hosted.url()}/#/${place}`)
          await page.getByRole("heading", { name: heading, exact: true }).waitFor()
          await page.locator(".mantine-Skeleton-root").first().waitFor({ state: "detached" })
          await keepPicture(page, `hosted-${place.split("/").length > 1 ? "peer" : place}-${width}-${scheme}`)
          findings.push(...(await audit(page)).map((finding) => `${place} ${width} ${scheme}: ${finding}`))
          if (engine === "chromium" && scheme === "light") findings.push(...(await tabWrongs(page)).map((finding) => `${place} ${width}: ${finding}`))
          if (Number(await page.evaluate("document.documentElement.scrollWidth")) > width) findings.push(`${place} ${width}: wider than the page`)
        }
      }
      assert.deepStrictEqual(findings, [])
      await page.setViewportSize({ width: 1280, height: 800 })
    }, 300_000 * patience)

    it("makes a code for one more device, to paste and for a camera", async () => {
      await goTo("Peers")
      await typeInto(page.getByRole("textbox", { name: "User" }), "bob")
      await page.getByRole("button", { name: "Make a code" }).click()
      await page.getByText(/^maestra-[\w-]{100,}$/).waitFor()
      await page.getByRole("img", { name: "The code, for a camera" }).waitFor()
      await keepPicture(page, "hosted-code")
    })

    it("says that the backend does not answer, keeps what was read, and goes on when it is back", async () => {
      await hosted.stop()
      await page.getByText("The hosted backend does not answer.").waitFor({ timeout: 120_000 })
      await page.getByRole("heading", { name: "Devices" }).waitFor()
      await keepPicture(page, "hosted-unreachable")
      await hosted.start()
      await page.getByText("The hosted backend does not answer.").waitFor({ state: "detached", timeout: 120_000 })
    }, 400_000 * patience)

    it("shuts a device out, and the audit tells of it", async () => {
      await goTo("Peers")
      await page.getByRole("button", { name: `Revoke ${peer}` }).click()
      await page.getByRole("dialog", { name: "Revoke this device?" }).getByRole("button", { name: "Revoke" }).click()
      await page.getByText("revoked", { exact: true }).waitFor()
      await goTo("Audit")
      await page.getByRole("rowheader", { name: "peer.revoked" }).first().waitFor()
    })
  })
