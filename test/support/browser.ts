import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Browser, chromium, type Page } from "playwright-core"

const executable = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path))
export const browserMissing = executable === undefined

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

/** A real headless Chromium with a profile of its own, which ends with `close`. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: executable!,
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
      `--host-resolver-rules=MAP ${reboundName} 127.0.0.1`
    ]
  })

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
