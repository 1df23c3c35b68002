// Goal: what people write neither runs nor breaks the page, whatever it is.
// Method: every string of the big list of naughty strings as title and as content of both kinds of message, in headless Chromium on a phone's width;
// the page is watched for errors, dialogs and requests to anybody else.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { isMissing, startBrowser } from "../support/browser.ts"
import { makeRig, secret } from "../support/gatewayRig.ts"
import { buildWeb, watchPage } from "../support/webPage.ts"

const file = new URL("../../../shared/data/robust/blns.json", import.meta.url)
const missing = isMissing("chromium") ? "no chromium" : existsSync(file) ? undefined : "../shared/data missing"
/** Conversations opened one by one: a sample, because each is laid out by itself. */
const everyNth = 20

const script = (conversation: number, text: string) =>
  JSON.stringify({
    conversation_id: `naughty-${conversation}`, title: text,
    messages: [{ id: "1", role: "user", content: text }, { id: "2", role: "assistant", content: `**${text}** \`${text}\`\n\n${text}\n\n![${text}](https://example.org/x.png)` }]
  })

describe.skipIf(missing !== undefined)(`naughty strings${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  it.live("neither run nor break the layout", () =>
    Effect.flatMap(makeRig({ side: "local" }), (rig) => Effect.promise(async () => {
      const strings = JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<string>
      await buildWeb()
      const { body } = await rig.ask("POST", "/import", `${strings.map((text, at) => script(at, text)).join("\n")}\n`, { "content-type": "application/x-ndjson" })
      assert.strictEqual(body["conversations"], strings.length)
      const browser = await startBrowser("chromium")
      const { page, wrongs } = await watchPage(browser, rig.url, { viewport: { width: 390, height: 844 } })
      await page.evaluate((token) => sessionStorage.setItem("maestra.token", token), secret)
      await page.reload()
      await page.getByText(`${strings.length} conversations`, { exact: true }).waitFor()
      let seen = 0
      for (let at = 0; at < strings.length; at += everyNth) {
        await page.goto(`${rig.url}/#/conversations/naughty-${at}`)
        await page.getByRole("article").nth(1).waitFor()
        const right = Number(await page.evaluate("Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('article')].map((each) => each.getBoundingClientRect().right))"))
        assert.isAtMost(right, 390, `naughty-${at}`)
        assert.strictEqual(await page.locator("article :is(img, script, iframe, object, style)").count(), 0, `naughty-${at}`)
        seen++
      }
      assert.isAbove(seen, 20)
      assert.deepStrictEqual(wrongs, [])
      await browser.close()
    })), 240_000)
})
