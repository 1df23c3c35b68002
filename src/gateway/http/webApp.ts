import { Effect, Layer, Option } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { randomBytes } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { extname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { gzip } from "node:zlib"

/** Where `npm run web` puts the built app. */
const built = fileURLToPath(new URL("../../../dist/web/", import.meta.url))

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2"
}
/** Fonts are compressed already. */
const compressible = new Set([".html", ".js", ".css", ".svg"])
/** Names below `assets/` hold a hash of what is inside. */
const forever = "public, max-age=31536000, immutable"

/**
 * What the page may do: run and load what this server sends, talk to this server, nothing else. The component library
 * writes style elements; they carry this answer's nonce. Framed by nobody.
 */
const policyOf = (nonce: string): string =>
  [
    "default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`, "img-src 'self' data:", "font-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"
  ].join("; ")

const pageHeaders = (nonce: string) => ({
  "content-security-policy": policyOf(nonce),
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(self), microphone=(), geolocation=()",
  "cache-control": "no-store"
})

const noncePlace = "%NONCE%"

interface Asset {
  readonly bytes: Uint8Array
  readonly type: string
  readonly zipped: Uint8Array | undefined
}

const assetAt = async (name: string): Promise<Asset> => {
  const bytes = await readFile(join(built, name))
  const extension = extname(name)
  return { bytes, type: types[extension] ?? "application/octet-stream", zipped: compressible.has(extension) ? await promisify(gzip)(bytes) : undefined }
}

/** Everything there is below `dist/web`, by its path in the URL. Read once: a name that was not there then is not served. */
const readAll = Effect.promise(async (): Promise<ReadonlyMap<string, Asset>> => {
  const files = await readdir(built, { recursive: true, withFileTypes: true }).catch(() => [])
  const names = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name).slice(built.length).replaceAll("\\", "/"))
  return new Map(await Promise.all(names.map(async (name) => [`/${name}`, await assetAt(name)] as const)))
})

const notBuilt = HttpServerResponse.text("The web app has not been built. Run `npm run web` in the checkout (`npm ci` does it too), then start again.\n", { status: 503 })

/** The web app at `/`, the same on both sides; it asks `/health` which one it is on. */
export const webApp = Layer.unwrap(Effect.map(Effect.cached(readAll), (assets) =>
  Layer.mergeAll(
    HttpRouter.add("GET", "/", Effect.map(assets, (all) => Option.match(Option.fromUndefinedOr(all.get("/index.html")), { onNone: () => notBuilt, onSome: page }))),
    HttpRouter.add("GET", "/icon.svg", Effect.flatMap(assets, serve)),
    HttpRouter.add("GET", "/assets/:name", Effect.flatMap(assets, serve))
  )))

const page = ({ bytes, type }: Asset) => {
  const nonce = randomBytes(16).toString("base64url")
  return HttpServerResponse.text(Buffer.from(bytes).toString().replace(noncePlace, nonce), { contentType: type, headers: pageHeaders(nonce) })
}

const serve = (all: ReadonlyMap<string, Asset>) =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers, url }) => {
    const path = url.split("?")[0]!
    const asset = all.get(path)
    if (asset === undefined) return HttpServerResponse.empty({ status: 404 })
    const zips = asset.zipped !== undefined && headers["accept-encoding"]?.includes("gzip") === true
    return HttpServerResponse.uint8Array(zips ? asset.zipped : asset.bytes, {
      contentType: asset.type,
      headers: { "cache-control": path.startsWith("/assets/") ? forever : "no-cache", ...(zips ? { "content-encoding": "gzip" } : {}) }
    })
  })
