/**
 * How smoothly ten thousand conversations scroll and search in the web app.
 *
 * Fills a real local backend, opens its page in Chromium and looks at every task of the page's main thread while the list
 * is read in, scrolled, dragged from end to end, and searched letter by letter; then scrolls and drags as many plain rows
 * in an otherwise empty page, which is the floor on this machine. `npm run jank -- --help` tells the flags.
 */
import type { Browser, Locator, Page } from "playwright-core"
import { isMissing, startChromium } from "../support/browser.ts"
import { done } from "../support/linked.ts"
import { buildWeb } from "../support/webPage.ts"
import { flagsOf, misused, say, stopsOnSignals, tell } from "../support/script.ts"
import { makeWorld } from "../support/world.ts"
import { type Task, traced } from "./mainThread.ts"

const { conversations, out, traces } = flagsOf("jank", "How smoothly a long list scrolls and searches in the web app. Exit code 1 where that takes the page's main thread 50 ms of processor time at a stretch.", {
  conversations: { default: 10_000, value: "N", says: "in the list" },
  traces: { default: null, value: "FOLDER", says: "keep the traces there, for DevTools" },
  out: { default: null, value: "FILE", says: "write the result there too" }
})
const messagesEach = 4
/** Conversations in one request of the import. */
const linesAtOnce = 2000
/** From here on a task is long, as browsers have it, milliseconds. */
const longFrom = 50

const words = "apple pear plum river mountain kettle garden window letter market harbour winter lantern violin pepper saddle ocean forest candle meadow".split(" ")
const textOf = (n: number, length: number) => Array.from({ length }, (_, i) => words[(n * 7 + i * i + (n >> 3) * i) % words.length]).join(" ")

const lineOf = (n: number) => JSON.stringify({
  conversation_id: `c${n}`, title: `${textOf(n, 3)} ${n}`,
  messages: Array.from({ length: messagesEach }, (_, i) => ({ id: `m${i}`, role: i % 2 === 0 ? "user" : "assistant", content: `${textOf(n + i, 40)} number${n}` }))
})

/** The same number of rows with nothing behind them. */
const plainPage = `<!doctype html><title>plain rows</title><style>
  html, body { height: 100%; margin: 0; font: 15px sans-serif } div { height: 700px; width: 320px; overflow-y: auto; contain: strict }
  ul { margin: 0; padding: 0; list-style: none } li { height: 62px }
</style><div data-testid="conversation-rows"><ul>${Array.from({ length: conversations }, (_, n) => `<li>${textOf(n, 3)} ${n}</li>`).join("")}</ul></div>`

interface Phase {
  readonly name: string
  readonly seconds: number
  readonly tasks: ReadonlyArray<Task>
  /** As the browser's own observer tells them, which counts waiting for a processor too. */
  readonly longTasks: number
  /** The longest time between two frames, milliseconds. */
  readonly worstFrame: number
}

const watchTasks = `
  globalThis.longTasks = []
  globalThis.worstFrame = 0
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => longTasks.push(duration))).observe({ type: "longtask", buffered: true })
  let last = performance.now()
  const frame = (now) => { worstFrame = Math.max(worstFrame, now - last); last = now; requestAnimationFrame(frame) }
  requestAnimationFrame(frame)`

const measure = async (browser: Browser, page: Page, name: string, body: () => Promise<void>): Promise<Phase> => {
  await page.evaluate("longTasks.length = 0, worstFrame = 0")
  const began = performance.now()
  let seconds = 0
  const tasks = await traced(browser, page, async () => {
    await body()
    seconds = (performance.now() - began) / 1000
  }, traces === undefined ? undefined : `${traces}/${name.replaceAll(/\W+/g, "-")}.json`)
  const [longTasks, worstFrame] = await page.evaluate<[number, number]>("[longTasks.length, Math.round(worstFrame)]")
  return { name, seconds, tasks, longTasks, worstFrame }
}

const wheel = async (page: Page) => {
  for (let n = 0; n < 150; n++) {
    await page.mouse.wheel(0, 900)
    await page.waitForTimeout(16)
  }
}

const drag = async (list: Locator) => {
  for (let n = 0; n <= 120; n++) {
    await list.evaluate((element, part) => { element.scrollTop = element.scrollHeight * part }, n / 120)
    await list.page().waitForTimeout(16)
  }
}

const search = async (page: Page, wanted: string) => {
  for (const letter of wanted) {
    await page.keyboard.press(letter === " " ? "Space" : letter)
    await page.waitForTimeout(80)
  }
  await page.waitForTimeout(1500)
  await page.keyboard.press("ControlOrMeta+a")
  await page.keyboard.press("Delete")
  await page.waitForTimeout(300)
}

const inPlainRows = async (browser: Browser, page: Page): Promise<ReadonlyArray<Phase>> => {
  await page.goto("about:blank")
  await page.setContent(plainPage)
  await page.evaluate(watchTasks)
  const list = page.getByTestId("conversation-rows")
  await list.hover()
  return [
    await measure(browser, page, "floor: scrolled by the wheel", () => wheel(page)),
    await measure(browser, page, "floor: dragged from end to end", () => drag(list))
  ]
}

const inTheApp = async (browser: Browser, page: Page, url: string): Promise<ReadonlyArray<Phase>> => {
  await page.addInitScript(watchTasks)
  await page.goto(url)
  const phases = [await measure(browser, page, "read in", () => page.getByText(`${conversations.toLocaleString("en")} conversations`, { exact: true }).waitFor({ timeout: 60_000 }))]
  const list = page.getByTestId("conversation-rows")
  await list.hover()
  phases.push(await measure(browser, page, "scrolled by the wheel", () => wheel(page)))
  phases.push(await measure(browser, page, "dragged from end to end", () => drag(list)))
  await page.getByRole("searchbox", { name: "Search conversations" }).focus()
  for (const wanted of ["river mount", `number${Math.floor(conversations / 2)}`, "zzz"]) {
    phases.push(await measure(browser, page, `searched: ${wanted}`, () => search(page, wanted)))
  }
  return phases
}

const rounded = (millis: number): string => millis.toFixed(millis < 10 ? 1 : 0)

const row = ({ longTasks, name, seconds, tasks, worstFrame }: Phase) => {
  const longest = tasks.reduce((most, task) => task.own > most.own ? task : most, { own: 0, wall: 0, parts: { script: 0, layout: 0, paint: 0 } })
  const most = Math.max(0, ...tasks.map(({ wall }) => wall))
  const own = tasks.reduce((all, task) => all + task.own, 0)
  const { layout, paint, script } = longest.parts
  return { name, seconds, long_tasks: longTasks, longest_ms: most, long_by_own: tasks.filter((task) => task.own >= longFrom).length, longest_own_ms: longest.own, script_layout_paint_ms: [script, layout, paint], busy_percent: own / seconds / 10, worst_frame_ms: worstFrame }
}
const line = (told: ReturnType<typeof row>) =>
  `| ${[told.name, told.seconds.toFixed(1), told.long_tasks, rounded(told.longest_ms), told.long_by_own, rounded(told.longest_own_ms), told.script_layout_paint_ms.map(rounded).join(", "), `${told.busy_percent.toFixed(0)} %`, told.worst_frame_ms].join(" | ")} |`

if (isMissing("chromium")) misused("jank", "there is no chromium (Debian: chromium)")
const world = await makeWorld()
stopsOnSignals({ close: world.close })
try {
  await buildWeb()
  const local = await world.local("laptop")
  for (let from = 0; from < conversations; from += linesAtOnce) {
    const lines = Array.from({ length: Math.min(linesAtOnce, conversations - from) }, (_, i) => lineOf(from + i))
    await done(local, "POST", "/import", `${lines.join("\n")}\n`)
  }
  const browser = await startChromium(true)
  const page = () => browser.newPage({ viewport: { width: 1280, height: 800 } })
  const phases = await inTheApp(browser, await page(), (await done<{ readonly url: string }>(local, "POST", "/companion-codes", { owner: true })).url)
  const floor = await inPlainRows(browser, await page())
  await browser.close()
  const told = [...phases, ...floor].map(row)
  say(`${conversations.toLocaleString("en")} conversations, ${(conversations * messagesEach).toLocaleString("en")} messages

| while | seconds | long tasks | longest, ms | long by own time | longest own time, ms | of it script, layout, paint | main thread busy | worst frame, ms |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |`)
  for (const one of told) say(line(one))
  tell({ conversations, messages: conversations * messagesEach, phases: told }, out)
  if (phases.slice(1).some(({ tasks }) => tasks.some(({ own }) => own >= longFrom))) process.exitCode = 1
} finally {
  await world.close()
}
