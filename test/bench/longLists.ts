/**
 * How smoothly ten thousand conversations scroll and search in the web app.
 *
 * Fills a real local backend, opens its page in Chromium and counts the long tasks (50 ms and more, as the browser itself
 * tells) while the list is read in, scrolled from end to end, and searched letter by letter. `npm run jank`; exit code 1
 * where scrolling or searching meets one. `--conversations N` for another number.
 */
import type { Page } from "playwright-core"
import { isMissing, startBrowser } from "../support/browser.ts"
import { done } from "../support/linked.ts"
import { buildWeb } from "../support/webPage.ts"
import { makeWorld } from "../support/world.ts"

const at = process.argv.indexOf("--conversations")
const conversations = at === -1 ? 10_000 : Number(process.argv[at + 1])
const messagesEach = 4
/** Conversations in one request of the import. */
const linesAtOnce = 2000

const words = "apple pear plum river mountain kettle garden window letter market harbour winter lantern violin pepper saddle ocean forest candle meadow".split(" ")
const textOf = (n: number, length: number) => Array.from({ length }, (_, i) => words[(n * 7 + i * i + (n >> 3) * i) % words.length]).join(" ")

const lineOf = (n: number) => JSON.stringify({
  conversation_id: `c${n}`, title: `${textOf(n, 3)} ${n}`,
  messages: Array.from({ length: messagesEach }, (_, i) => ({ id: `m${i}`, role: i % 2 === 0 ? "user" : "assistant", content: `${textOf(n + i, 40)} number${n}` }))
})

interface Phase {
  readonly name: string
  readonly seconds: number
  /** Milliseconds, each. */
  readonly longTasks: ReadonlyArray<number>
  /** The longest time between two frames, milliseconds. */
  readonly worstFrame: number
}

const watchTasks = `
  globalThis.longTasks = []
  globalThis.worstFrame = 0
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => longTasks.push(Math.round(duration)))).observe({ type: "longtask", buffered: true })
  let last = performance.now()
  const frame = (now) => { worstFrame = Math.max(worstFrame, now - last); last = now; requestAnimationFrame(frame) }
  requestAnimationFrame(frame)`

const measure = async (page: Page, name: string, body: () => Promise<void>): Promise<Phase> => {
  await page.evaluate("longTasks.length = 0, worstFrame = 0")
  const began = performance.now()
  await body()
  const seconds = (performance.now() - began) / 1000
  const [longTasks, worstFrame] = await page.evaluate<[Array<number>, number]>("[longTasks.slice(), Math.round(worstFrame)]")
  return { name, seconds, longTasks, worstFrame }
}

const say = ({ longTasks, name, seconds, worstFrame }: Phase) =>
  console.log(`| ${name} | ${seconds.toFixed(1)} | ${longTasks.length} | ${longTasks.length === 0 ? "–" : Math.max(...longTasks)} | ${worstFrame} |`)

if (isMissing("chromium")) throw new Error("no chromium (Debian: chromium)")
const world = await makeWorld()
try {
  await buildWeb()
  const local = await world.local("laptop")
  for (let from = 0; from < conversations; from += linesAtOnce) {
    const lines = Array.from({ length: Math.min(linesAtOnce, conversations - from) }, (_, i) => lineOf(from + i))
    await done(local, "POST", "/import", `${lines.join("\n")}\n`)
  }
  const browser = await startBrowser("chromium")
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  await page.addInitScript(watchTasks)
  const phases: Array<Phase> = []
  await page.goto((await done<{ readonly url: string }>(local, "POST", "/companion-codes", { owner: true })).url)
  phases.push(await measure(page, "read in", () => page.getByText(conversations.toLocaleString("en"), { exact: true }).waitFor({ timeout: 60_000 })))
  const list = page.getByTestId("conversation-rows")
  await list.hover()
  phases.push(await measure(page, "scrolled by the wheel", async () => {
    for (let n = 0; n < 150; n++) {
      await page.mouse.wheel(0, 900)
      await page.waitForTimeout(16)
    }
  }))
  phases.push(await measure(page, "dragged from end to end", async () => {
    for (let n = 0; n <= 120; n++) {
      await list.evaluate((element, part) => { element.scrollTop = element.scrollHeight * part }, n / 120)
      await page.waitForTimeout(16)
    }
  }))
  const field = page.getByRole("searchbox", { name: "Search conversations" })
  await field.focus()
  for (const search of ["river mount", `number${Math.floor(conversations / 2)}`, "zzz"]) {
    phases.push(await measure(page, `searched: ${search}`, async () => {
      for (const letter of search) {
        await page.keyboard.press(letter === " " ? "Space" : letter)
        await page.waitForTimeout(80)
      }
      await page.waitForTimeout(1500)
      await page.keyboard.press("ControlOrMeta+a")
      await page.keyboard.press("Delete")
      await page.waitForTimeout(300)
    }))
  }
  await browser.close()
  console.log(`${conversations.toLocaleString("en")} conversations, ${(conversations * messagesEach).toLocaleString("en")} messages\n\n| while | seconds | long tasks | longest, ms | worst frame, ms |\n| --- | ---: | ---: | ---: | ---: |`)
  phases.forEach(say)
  if (phases.slice(1).some(({ longTasks }) => longTasks.length > 0)) process.exitCode = 1
} finally {
  await world.close()
}
