/**
 * The map of the repository as tables one can read aloud: who may import whom and what. `rooms.test.ts`
 * and `words.test.ts` hold the source to it. To allow something, add a row, and say why in the review.
 */

/** What each room may import besides itself. A room includes the rooms inside it. The longest match names a file's room. */
export const reach: Readonly<Record<string, ReadonlyArray<string>>> = {
  "streams": [],
  "projections": ["streams"],
  "src/security": ["streams"],
  "src/security/portable": ["streams"],
  "src/privacy": ["streams"],
  "src/nats": ["streams", "src/security"],
  "src/observing": ["streams"],
  "src/local": ["streams", "projections", "src/security", "src/privacy", "src/nats", "src/observing"],
  "src/hosted": ["streams", "projections", "src/security", "src/privacy", "src/nats", "src/observing"],
  "src/gateway": ["streams", "projections", "src/security", "src/privacy"],
  "src/sdk": ["streams", "src/privacy", "src/security/portable"],
  "src/sdk/typescript/node": ["src/sdk"],
  "src/web": ["src/sdk", "src/privacy"],
  "src/cli": ["streams", "projections", "src"]
}

/** Rooms that run in a browser too: no `node:` module, no package that needs one. */
export const portable: ReadonlyArray<string> = ["streams", "src/privacy", "src/security/portable", "src/sdk", "src/web"]

/** The only rooms that may name an outside package. A package that is not here is in no room. */
export const packages: ReadonlyArray<readonly [name: RegExp, rooms: ReadonlyArray<string>]> = [
  [/^@nats-io\//, ["src/nats"]],
  [/^sqlite3$/, ["projections"]],
  [/^jose$/, ["src/security"]],
  [/^canonicalize$/, ["src/security"]],
  [/^@napi-rs\/keyring$/, ["src/security"]],
  [/^libphonenumber-js(\/|$)/, ["src/privacy"]],
  [/^tar-stream$/, ["src/gateway", "src/cli"]],
  [/^qrcode-terminal$/, ["src/cli"]],
  // its drawing is the terminal's, the code itself is not
  [/^qrcode-terminal\/vendor\/QRCode\//, ["src/web"]],
  // the one file that is loaded only where an endpoint is set
  [/^@(effect\/)?opentelemetry\//, ["src/cli/serving/otlp.ts"]],
  [/^(react|react-dom|react-markdown|remark-gfm)(\/|$)/, ["src/web"]],
  [/^@(mantine|tabler|tanstack|fontsource-variable|vitejs)\//, ["src/web"]],
  [/^vite$/, ["src/web"]],
  [/^uuid$/, ["src/security", "src/local", "src/hosted", "src/gateway", "src/sdk"]],
  [/^@effect\/platform-node(\/|$)/, ["src/security", "src/nats", "src/local", "src/hosted", "src/gateway", "src/cli"]],
  // started where servers are supervised, by the demo, and where the OS keychain may never answer
  [/^node:child_process$/, ["src/nats", "src/cli", "src/security"]],
  [/^node:worker_threads$/, []],
  [/^node:/, ["src/observing", "projections", "src/security", "src/nats", "src/local", "src/hosted", "src/gateway", "src/cli", "src/sdk/typescript/node"]]
]

/**
 * Modules of Effect that are marked `@stability unstable` (lower case after `effect/`): as few rooms each
 * as can be, so that a rename touches little. One that is not here is in no room.
 */
export const unstable: Readonly<Record<string, ReadonlyArray<string>>> = {
  "effect/cli": ["src/cli"],
  // reading Server-Sent Events
  "effect/encoding": ["src/cli"],
  "effect/http-api": ["src/gateway", "src/sdk"],
  // the gateway serves; the others are clients: registration (local), the demo (cli), the release download (nats)
  "effect/http": ["src/gateway", "src/local", "src/nats", "src/cli", "src/sdk"],
  "effect/process": ["src/nats", "src/cli"],
  "effect/socket": ["src/gateway", "src/sdk"],
  "effect/observability": ["src/gateway"]
}

/** Lines a file may have: what fits in the head. */
export const linesMax = 300

/** Names that say nothing about what is inside. */
export const emptyNames = /(^|\/)(utils?|helpers?|common|misc|manager|index)(\.[a-z]+)?(\/|$)/i

/** Published entry points may gather what others export. */
export const entryPoints: ReadonlyArray<string> = ["src/sdk/typescript/index.ts", "src/sdk/typescript/owner/index.ts"]

/**
 * What source may not say, where it may be said after all, and why it may not.
 * Comments are not read; `may` lists files or folders.
 */
export interface Forbidden {
  readonly words: RegExp
  readonly why: string
  readonly may: ReadonlyArray<string>
}

/** Where the SDK, which has no Effect, meets time and chance. */
const edges = ["src/sdk/typescript/platform.ts", "src/sdk/typescript/node/fileStorage.ts"]

export const forbidden: ReadonlyArray<Forbidden> = [
  { words: /\bDate\.now\(|\bnew Date\(/, why: "time is an input: Clock, DateTime", may: ["streams/time.ts", ...edges] },
  { words: /\bperformance\.now\(|\bprocess\.hrtime\b/, why: "time is an input: Clock", may: [] },
  { words: /\bMath\.random\(/, why: "chance is an input: Random, or node:crypto in src/security", may: edges },
  { words: /\bprocess\.env\b/, why: "settings are an input: Config", may: [] },
  { words: /\bconsole\.\w/, why: "log with Effect, print with Stdio", may: [] },
  { words: /\bprocess\.exit\(/, why: "the first failure ends the process by itself, finalizers included", may: [] },
  { words: /\bsetTimeout\(|\bsetInterval\(/, why: "Effect.sleep and Schedule end when their fiber does", may: edges },
  // a name after fn( or withSpan( is a span's, and `log.json`, `audit.log` are files: no subjects
  {
    words: /(?<!\b(?:fn|fnUntraced|withSpan|span|counter|gauge|histogram)\()["'`](journal|log|ingest|deliver|telemetry|audit|alerts)\.(?!(?:json|jsonl|log|db|sqlite|lock)["'`])[^"'`\s]/,
    why: "subjects are built in streams/subjects.ts only",
    may: ["streams/subjects.ts"]
  },
  { words: /\bas unknown as\b/, why: "types stay on", may: [] }
]

/** The same for tests, where time and environment are the world's. */
export const forbiddenInTests: ReadonlyArray<Forbidden> = [
  { words: /\bas unknown as\b/, why: "types stay on", may: [] },
  { words: /\bvi\.mock\(|\bjest\.mock\(/, why: "real parts, no mocks", may: [] },
  { words: /\b(?:it|test|describe)(?:\.effect|\.live)?\.(?:only|skip|todo)\b/, why: "a test switched off proves nothing; skipIf names its reason", may: [] }
]

/** A fold is its arguments' function: nothing that waits, fails by throwing, or reaches outside. */
export const impure = /\bEffect\b|\basync\b|\bawait\b|\bthrow\b|\bPromise\b|\bfrom "node:/

/**
 * What no file of the repository may name: the places it was built in, and package registries' hosts.
 * Written with one letter in brackets, so that this table does not name them either.
 */
export const unspoken: ReadonlyArray<RegExp> = [
  /(?<![.\w])\/[w]ork\//,
  /\/tmp\/([a]pt\/|[b]ash_jobs|[p]reamble)/,
  /[f]arm-bench/i,
  /\.[l]ibrary\//,
  /[n]pmjs\.(org|com)|[y]arnpkg\.com|[n]pmmirror/i,
  /[p]ypi\.org|[c]rates\.io|[a]rtifactory|[n]exus\./i,
  /\b([s]ubagent|[c]laude|[a]nthropic)\b/i
]
