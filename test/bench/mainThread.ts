/** What a page's main thread did, from Chromium's own trace: apart from the time it only waited for a processor. */
import type { Browser, Page } from "playwright-core"

/** One task of the main thread, milliseconds. */
export interface Task {
  /** From beginning to end. */
  readonly wall: number
  /** Of it on a processor: what is left is waiting for one. */
  readonly own: number
  /** Of the wall time: in the page's script, in styles and layout, in painting and handing over to the compositor. */
  readonly parts: Readonly<Record<Part, number>>
}

export type Part = "script" | "layout" | "paint"

/** Chromium's names of what happens in a task. Where one holds another, the outer one counts. */
const partOf: Readonly<Record<string, Part>> = {
  FunctionCall: "script", EvaluateScript: "script", RunMicrotasks: "script", EventDispatch: "script", TimerFire: "script", FireAnimationFrame: "script", FireIdleCallback: "script", "v8.run": "script", MinorGC: "script", MajorGC: "script",
  UpdateLayoutTree: "layout", Layout: "layout", ScheduleStyleRecalculation: "layout", IntersectionObserverController: "layout",
  PrePaint: "paint", Paint: "paint", Layerize: "paint", Commit: "paint"
}

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  /** Microseconds, as the three below. */
  readonly ts: number
  readonly dur?: number
  /** On a processor. */
  readonly tdur?: number
}

const categories = ["devtools.timeline", "disabled-by-default-devtools.timeline", "blink.user_timing"]

/** Several pages' processes are in a trace: the one that set this mark is meant. */
const mark = "maestra-here"

/** Run `act` and tell every task the page's main thread had meanwhile. `keep`: a file for the trace itself, which DevTools open. */
export const traced = async (browser: Browser, page: Page, act: () => Promise<void>, keep?: string): Promise<ReadonlyArray<Task>> => {
  await browser.startTracing(page, { categories: [...categories], ...(keep === undefined ? {} : { path: keep }) })
  await page.evaluate(`performance.mark("${mark}")`)
  await act()
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { readonly traceEvents: ReadonlyArray<TraceEvent> }
  return tasksOf(traceEvents)
}

const tasksOf = (events: ReadonlyArray<TraceEvent>): ReadonlyArray<Task> => {
  const here = events.find(({ name }) => name === mark)
  if (here === undefined) throw new Error("the trace does not hold the page's mark")
  const mine = events.filter((event) => event.ph === "X" && threadOf(event) === threadOf(here)).sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0))
  const tasks: Array<{ readonly from: number; readonly to: number; readonly own: number; readonly parts: Record<Part, number> }> = []
  let coveredTo = 0
  for (const { dur = 0, name, tdur = 0, ts } of mine) {
    if (name === "RunTask") {
      tasks.push({ from: ts, to: ts + dur, own: tdur / 1000, parts: { script: 0, layout: 0, paint: 0 } })
      coveredTo = ts
      continue
    }
    const part = partOf[name]
    const task = tasks.at(-1)
    if (part === undefined || task === undefined || ts >= task.to || ts < coveredTo) continue
    task.parts[part] += dur / 1000
    coveredTo = ts + dur
  }
  return tasks.map(({ from, own, parts, to }) => ({ wall: (to - from) / 1000, own, parts }))
}

const threadOf = ({ pid, tid }: Pick<TraceEvent, "pid" | "tid">): string => `${pid} ${tid}`
