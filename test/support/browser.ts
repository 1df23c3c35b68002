import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Browser, chromium, firefox, type Page } from "playwright-core"
import { until } from "./world.ts"

export type Engine = "chromium" | "firefox"

const executables: Readonly<Record<Engine, string | undefined>> = {
  chromium: ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path)),
  firefox: ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find((path) => existsSync(path))
}
export const isMissing = (engine: Engine): boolean => executables[engine] === undefined
/** For a suite's title, where it is left out. */
export const leftOut = (engine: Engine): string => isMissing(engine) ? ` (skipped: no ${engine})` : ""

const root = fileURLToPath(new URL("../../", import.meta.url))

/** A script for a browser, from TypeScript, as one file. */
export const bundle = (entry: string): string => {
  const folder = mkdtempSync(join(tmpdir(), "maestra-page-"))
  execFileSync(process.execPath, [join(root, "node_modules/rolldown/bin/cli.mjs"), entry, "--format", "iife", "--platform", "browser", "-d", folder], { cwd: root, stdio: "ignore" })
  const script = readFileSync(join(folder, `${entry.split("/").at(-1)!.replace(/\.ts$/, "")}.js`), "utf8")
  rmSync(folder, { recursive: true })
  return script
}

/** A name that resolves to this machine in the browsers started here, as a foreign DNS would have it. */
export const reboundName = "rebound.example"

/** A real headless browser with a profile of its own, which ends with `close`. Firefox is Debian's, driven by WebDriver BiDi. */
export const startBrowser = (engine: Engine): Promise<Browser> => engine === "chromium" ? startChromium() : startFirefox()

/** `ownSignals`: the caller ends it at Ctrl-C, and puts away more than this. */
export const startChromium = (ownSignals = false): Promise<Browser> =>
  chromium.launch({
    handleSIGINT: !ownSignals, handleSIGTERM: !ownSignals, handleSIGHUP: !ownSignals,
    executablePath: executables.chromium!,
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
      `--host-resolver-rules=MAP ${reboundName} 127.0.0.1`
    ]
  })

/** Where each Firefox saves what pages hand out. */
const foldersOfFirefox = new WeakMap<Browser, string>()

const startFirefox = async () => {
  const downloadsPath = mkdtempSync(join(tmpdir(), "maestra-downloads-"))
  const browser = await firefox.launch({ executablePath: executables.firefox!, channel: "moz-firefox", downloadsPath, firefoxUserPrefs: { "ui.prefersReducedMotion": 1 } })
  browser.on("disconnected", () => rmSync(downloadsPath, { recursive: true, force: true }))
  foldersOfFirefox.set(browser, downloadsPath)
  return browser
}

/** The name of the file that `act` makes the browser save. Firefox's driver tells nothing of files a page made itself: they are looked for. */
export const savedBy = async (page: Page, act: () => Promise<void>): Promise<string> => {
  const folder = foldersOfFirefox.get(page.context().browser()!)
  if (folder === undefined) {
    const download = page.waitForEvent("download")
    await act()
    return (await download).suggestedFilename()
  }
  const before = new Set(readdirSync(folder))
  await act()
  let saved: string | undefined
  await until(() => (saved = readdirSync(folder).find((name) => !before.has(name) && !name.endsWith(".part"))) !== undefined, 20_000)
  return saved!
}

/** Pages at an origin of their own, each with the script. */
export const servePages = async (script: string): Promise<{ readonly origin: string; readonly close: () => void }> => {
  const html = "<!doctype html><meta charset=utf-8><title>a surface</title><script src=/page.js></script>"
  const answers: Readonly<Record<string, readonly [string, string]>> = { "/": [html, "text/html"], "/page.js": [script, "text/javascript"] }
  const server = createServer((request, response) => {
    const [body, type] = answers[request.url ?? ""] ?? ["", "text/plain"]
    response.writeHead(body === "" ? 404 : 200, { "content-type": type }).end(body)
  })
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => server.close()
  }
}

/** Run a piece of script in a page and hand back what it came to. */
export const inPage = <A>(page: Page, script: string): Promise<A> => page.evaluate(`(async () => (${script}))()`)
