import axe from "axe-core"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core"
import { holdDirectory } from "../../src/nats/storeLock.ts"
import { patience, until } from "./world.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

const built = join(root, "dist/web/index.html")
const building = join(root, "dist/building")

/** What is built from them. */
const sources = ["src/web/**/*", "src/sdk/**/*", "src/privacy/**/*", "streams/**/*", "package-lock.json"]
const newest = (): number => Math.max(...sources.flatMap((pattern) => globSync(pattern, { cwd: root })).map((path) => statSync(join(root, path)).mtimeMs))

/** What the gateway serves, from the source as it is now. One test file builds it while others wait; one that dies meanwhile holds up nobody. */
export const buildWeb = (): Promise<void> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    while (!(yield* holdDirectory(building))) continue
    if (existsSync(built) && statSync(built).mtimeMs >= newest()) return
    execFileSync(process.execPath, [join(root, "node_modules/vite/bin/vite.js"), "build", "--config", "src/web/vite.config.ts", "--logLevel", "error"], { cwd: root, env: { ...process.env, NODE_ENV: "production" }, stdio: "ignore" })
  })))

/** How long a page is waited for, milliseconds: what never comes is found out about then, however busy the machine is. */
const pagePatience = 60_000 * patience

/** A page of the web app, and everything it did that it must not do. */
export interface Watched {
  readonly page: Page
  /** Errors in the console, uncaught errors, dialogs, requests to anybody else. */
  readonly wrongs: Array<string>
  readonly close: () => Promise<void>
}

/** What a browser reports of answers that are part of the test: a backend that is away, a code used twice. */
const expected = /Failed to load resource/

/** A fresh profile at `url`. */
export const watchPage = async (browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  context.setDefaultTimeout(pagePatience)
  const page = await context.newPage()
  const wrongs: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.test(message.text())) wrongs.push(`console: ${message.text()}`)
  })
  page.on("pageerror", (error) => wrongs.push(`uncaught: ${error.message}`))
  page.on("dialog", (dialog) => {
    wrongs.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on("request", (request) => {
    const asked = new URL(request.url())
    if (asked.origin !== new URL(url).origin && asked.protocol !== "blob:" && asked.protocol !== "data:") wrongs.push(`request: ${request.url()}`)
  })
  await page.goto(url)
  return { page, wrongs, close: () => context.close() }
}

/** Key by key instead of what was there: what a driver puts into a field by other means, React does not hear of in Firefox. */
export const typeInto = async (field: Locator, text: string): Promise<void> => {
  await field.selectText()
  await field.press("Delete")
  await field.pressSequentially(text)
}

/** Colours of one scheme: by what the browser prefers, and where it cannot be told that (Firefox), by the page's own switch. */
export const wear = async (page: Page, scheme: "light" | "dark"): Promise<void> => {
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" })
  if (await page.evaluate(`matchMedia("(prefers-color-scheme: ${scheme})").matches`)) return
  const turn = page.getByRole("button", { name: `Use ${scheme} colours` })
  if (await turn.count() > 0) await turn.click()
}

/** Nothing fades in or out, and nothing slides; what turns for ever does not count. */
const isStill = "document.getAnimations().every((one) => one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)"

/** Serious and critical findings on the page as it is, a line each. */
export const audit = async (page: Page): Promise<ReadonlyArray<string>> => {
  // halfway through its fading, any text has too little contrast
  await until(() => page.evaluate<boolean>(isStill), pagePatience)
  await page.evaluate(axe.source)
  const { violations }: Pick<axe.AxeResults, "violations"> = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ failureSummary, html }) => `${html.slice(0, 200)} ${failureSummary ?? ""}`).join(" | ")}`)
}

/** Everything a keyboard has to come to, in the order it stands in the page; of radio buttons the chosen one. Numbered for `tabWrongs`. */
const numbered = `document.querySelectorAll("[data-tab]").forEach((one) => one.removeAttribute("data-tab")), [...document.querySelectorAll("a[href], button, input, textarea, select, [tabindex='0']")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.tabIndex >= 0 && (one.type !== "radio" || one.checked))
  .map((one, at) => { one.setAttribute("data-tab", String(at)); return one.outerHTML.slice(0, 120) })`

/** What the Tab key does not come to, or in another order than it is read in, at three looks in a row: something may come or go during one. */
export const tabWrongs = async (page: Page): Promise<ReadonlyArray<string>> => {
  // they go by themselves
  await until(async () => await page.locator(".mantine-Notification-root").count() === 0, 30_000)
  let wrongs = await tabWrongsNow(page)
  for (let look = 1; look < 3 && wrongs.length > 0; look++) wrongs = await tabWrongsNow(page)
  return wrongs
}

const tabWrongsNow = async (page: Page): Promise<ReadonlyArray<string>> => {
  const wanted = await page.evaluate<ReadonlyArray<string>>(numbered)
  await page.evaluate("document.querySelector('[data-tab=\\'0\\']').focus()")
  const reached: Array<number> = [0]
  while (reached.length < wanted.length) {
    await page.keyboard.press("Tab")
    reached.push(Number(await page.evaluate<string | null>("document.activeElement.getAttribute('data-tab')") ?? NaN))
  }
  const at = reached.findIndex((number, place) => number !== place)
  return at === -1 ? [] : [`Tab comes to ${reached[at]} instead of ${wanted[at]}`]
}

/** With MAESTRA_SCREENSHOTS naming a folder, the page as it is, for a person to look at. */
export const keepPicture = async (page: Page, name: string): Promise<void> => {
  const folder = process.env["MAESTRA_SCREENSHOTS"]
  // Firefox's driver puts a style of its own into the page for it, which the page's policy refuses
  if (folder === undefined || page.context().browser()?.browserType().name() === "firefox") return
  mkdirSync(folder, { recursive: true })
  // as it is: a caret is hidden by a style of the driver's, which the page's policy refuses
  await page.screenshot({ path: join(folder, `${name}.png`), caret: "initial" })
}
