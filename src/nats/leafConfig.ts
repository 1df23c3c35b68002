import { Effect, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { isLoopback } from "../security/plainText.ts"
import { toolsConf, type ToolUser } from "./localTools.ts"

/** `instance.conf` of a data directory cannot be read. Nothing was changed: put the file back from a copy, or remove it and pair again. */
export class LeafConfigBroken extends Schema.TaggedError<LeafConfigBroken>()("LeafConfigBroken", { file: Schema.String, hint: Schema.String }) {}

/** The hosted side named a leaf address we do not connect to. Nothing was changed. */
export class LeafUrlRefused extends Schema.TaggedError<LeafUrlRefused>()("LeafUrlRefused", { url: Schema.String, hint: Schema.String }) {}

/**
 * What it takes for a change to work. Seen on 2.15.1: a SIGHUP (`ServerProcess.reload`) applies a new URL, another
 * credentials file, on and off, the first pairing included; new content of the same credentials file is read at
 * the next connection, which the server makes by itself when the old token expires.
 */
export type Takes = "reload" | "nothing"

/** The configuration of one local backend's nats-server, on disk. The functions write; the caller reloads. */
export interface LeafConfig {
  readonly configFile: string
  readonly agent: { readonly user: "agent"; readonly pass: string }
  /** For `watchLeaf` only. */
  readonly system: { readonly user: "sys"; readonly pass: string }
  /** The JetStream domain, `l_<instance id>`. */
  readonly domain: string
  readonly status: Effect.Effect<{ readonly paired: boolean; readonly paused: boolean }, LeafConfigBroken>
  /** `urls` as the hosted side told: `tls://host:port` or `wss://host`. `creds` from `credsFile`; secret. Pairing again keeps a pause. */
  readonly pair: (leaf: { readonly urls: readonly [string, ...Array<string>]; readonly creds: string }) => Effect.Effect<Takes, LeafConfigBroken | LeafUrlRefused>
  /** A renewed token for the same link. */
  readonly renew: (creds: string) => Effect.Effect<Takes>
  /** Forget the hosted side: link off, credentials removed. A pause is kept. */
  readonly unpair: Effect.Effect<Takes, LeafConfigBroken>
  /** While not paired too: then the link of the next pairing begins paused. */
  readonly pause: Effect.Effect<Takes, LeafConfigBroken>
  readonly resume: Effect.Effect<Takes, LeafConfigBroken>
  /** Exactly these tools may come in. Kept from start to start. */
  readonly letIn: (tools: ReadonlyArray<ToolUser>) => Effect.Effect<Takes>
}

export interface LeafConfigOptions {
  /** The server's directory inside the data directory; made with mode 0700. Also `ServerOptions.runDir`. */
  readonly directory: string
  /** A subject token; with the directory for life, since the hub knows the domain made of it. */
  readonly instanceId: string
  /** Client port on 127.0.0.1; 0: a free one at every start. */
  readonly port: number
  /** PEM of who vouches for the hub, instead of those this system trusts. */
  readonly caFile?: string
  /** Somebody said on purpose that the link may cross the network in plain text. */
  readonly plainAllowed?: boolean
}

/** At first start with random passwords and no leaf; later as it was, with today's `nats.conf`. */
export const openLeafConfig = (options: LeafConfigOptions): Effect.Effect<LeafConfig, LeafConfigBroken> =>
  Effect.gen(function*() {
    const configFile = join(options.directory, "nats.conf")
    const instanceFile = join(options.directory, "infra/leaf/instance.conf")
    const toolsFile = join(options.directory, "infra/leaf/tools.conf")
    const credsPath = join(options.directory, "leaf.creds")
    for (const folder of [options.directory, dirname(instanceFile)]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      chmodSync(folder, 0o700)
    }
    writeAtomically(configFile, readFileSync(topLevelConfig))
    if (!existsSync(toolsFile)) writeAtomically(toolsFile, toolsConf([]))
    const known = yield* readInstance(instanceFile)
    const first: Instance = known ?? unpaired(options, credsPath)
    const write = (instance: Instance) => {
      writeAtomically(join(dirname(instanceFile), "tls.conf"), instance.MAESTRA_LEAF_URLS.some(isEncrypted) ? `tls {${options.caFile === undefined ? "" : ` ca_file: ${JSON.stringify(options.caFile)} `}}\n` : "# this machine: no TLS\n")
      writeAtomically(instanceFile, textOf(instance))
    }
    const change = (how: (before: Instance) => Instance) =>
      Effect.map(readInstance(instanceFile), (before): Takes => {
        write(how(before ?? first))
        return "reload"
      })
    write({ ...first, MAESTRA_PORT: options.port === 0 ? -1 : options.port, MAESTRA_STORE: join(options.directory, "store"), MAESTRA_LEAF_CREDENTIALS: credsPath })
    return {
      configFile,
      agent: { user: "agent", pass: first.MAESTRA_AGENT_PASSWORD },
      system: { user: "sys", pass: first.MAESTRA_SYS_PASSWORD },
      domain: first.MAESTRA_DOMAIN,
      status: Effect.map(readInstance(instanceFile), (now = first) => ({ paired: isPaired(now), paused: isPaused(now) })),
      pair: ({ creds, urls }) =>
        Effect.gen(function*() {
          for (const url of urls) yield* acceptable(url, options.plainAllowed === true)
          if (new Set(urls.map(isEncrypted)).size > 1) return yield* new LeafUrlRefused({ url: urls[0], hint: "Encrypted and plain addresses do not go together." })
          writeAtomically(credsPath, creds)
          return yield* change((before) => ({ ...before, MAESTRA_LEAF_URLS: urls, MAESTRA_LEAF_DISABLED: isPaused(before) }))
        }),
      renew: (creds) =>
        Effect.sync(() => {
          writeAtomically(credsPath, creds)
          return "nothing"
        }),
      unpair: Effect.tap(change((before) => ({ ...before, MAESTRA_LEAF_URLS: [isPaused(before) ? nowherePaused : nowhere], MAESTRA_LEAF_DISABLED: true })), () => Effect.sync(() => rmSync(credsPath, { force: true }))),
      pause: change((before) => ({ ...before, ...(isPaired(before) ? {} : { MAESTRA_LEAF_URLS: [nowherePaused] as const }), MAESTRA_LEAF_DISABLED: true })),
      resume: change((before) => isPaired(before) ? { ...before, MAESTRA_LEAF_DISABLED: false } : { ...before, MAESTRA_LEAF_URLS: [nowhere], MAESTRA_LEAF_DISABLED: true }),
      letIn: (tools) =>
        Effect.sync(() => {
          const text = toolsConf(tools)
          if (readFileSync(toolsFile, "utf8") === text) return "nothing"
          writeAtomically(toolsFile, text)
          return "reload"
        })
    }
  })

/** The variables of `nats.conf`, one `NAME: <JSON>` a line. */
const Instance = Schema.Struct({
  MAESTRA_NAME: Schema.String,
  MAESTRA_PORT: Schema.Int,
  MAESTRA_STORE: Schema.String,
  MAESTRA_DOMAIN: Schema.String,
  MAESTRA_AGENT_PASSWORD: Schema.String,
  MAESTRA_SYS_PASSWORD: Schema.String,
  MAESTRA_LEAF_URLS: Schema.NonEmptyArray(Schema.String),
  MAESTRA_LEAF_CREDENTIALS: Schema.String,
  MAESTRA_LEAF_DISABLED: Schema.Boolean
})
type Instance = typeof Instance.Type

/** The copy that ships with the program; one of each data directory is made from it at every start. */
const topLevelConfig = fileURLToPath(new URL("../../nats.conf", import.meta.url))

/** Stands where a URL must stand while there is none. Port 9 discards, and the remote is disabled. */
const nowhere = "nats-leaf://127.0.0.1:9"
/** The same, and paused: the server refuses a variable of ours that it does not use itself. */
const nowherePaused = "nats-leaf://127.0.0.1:9/paused"

const isPaired = ({ MAESTRA_LEAF_URLS: [url] }: Instance) => url !== nowhere && url !== nowherePaused
const isPaused = (instance: Instance) => isPaired(instance) ? instance.MAESTRA_LEAF_DISABLED : instance.MAESTRA_LEAF_URLS[0] === nowherePaused

const unpaired = (options: LeafConfigOptions, credentials: string): Instance => ({
  MAESTRA_NAME: `local-${options.instanceId}`,
  MAESTRA_PORT: -1,
  MAESTRA_STORE: "",
  MAESTRA_DOMAIN: `l_${options.instanceId}`,
  MAESTRA_AGENT_PASSWORD: randomBytes(32).toString("base64url"),
  MAESTRA_SYS_PASSWORD: randomBytes(32).toString("base64url"),
  MAESTRA_LEAF_URLS: [nowhere],
  MAESTRA_LEAF_CREDENTIALS: credentials,
  MAESTRA_LEAF_DISABLED: true
})

/** Encrypted, except on this machine: what the link carries is sealed, but subjects and telemetry types are not. */
const acceptable = (url: string, plainAllowed: boolean): Effect.Effect<void, LeafUrlRefused> => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const refuse = (hint: string) => Effect.fail(new LeafUrlRefused({ url: parsed === undefined ? "" : `${parsed.protocol}//${parsed.host}`, hint }))
  if (parsed === undefined || /["\\\s]/.test(url) || parsed.hostname === "") return refuse("The hosted side sent an address that is none. Pair again, or ask its operator.")
  if (parsed.username !== "" || parsed.password !== "") return refuse("An address with credentials in it is not ours to keep.")
  if (isEncrypted(url)) return Effect.void
  const plain = parsed.protocol === "nats-leaf:" || parsed.protocol === "ws:"
  return plain && (plainAllowed || isLoopback(parsed.hostname))
    ? Effect.void
    : refuse("Only tls:// and wss:// lead to another machine, unless both sides were started with --insecure-plain. The hosted side's operator sets the address.")
}

const isEncrypted = (url: string) => /^(tls|wss):/.test(url)

const decodeInstance = Schema.decodeUnknownEffect(Instance)

/** Undefined: no such file yet. */
const readInstance = (file: string): Effect.Effect<Instance | undefined, LeafConfigBroken> =>
  Effect.gen(function*() {
    if (!existsSync(file)) return undefined
    const text = yield* Effect.try({ try: () => readFileSync(file, "utf8"), catch: () => broken(file) })
    const entries = text.split("\n").map((line) => /^(MAESTRA_[A-Z_]+): (.*)$/.exec(line)).filter((match) => match !== null)
    const fields = yield* Effect.try({
      try: () => Object.fromEntries(entries.map(([, name, value]): [string, unknown] => [name!, JSON.parse(value!)])),
      catch: () => broken(file)
    })
    return yield* Effect.mapError(decodeInstance(fields), () => broken(file))
  })

const broken = (file: string) => new LeafConfigBroken({ file, hint: `${file} is damaged. Put it back from a copy; or remove it, and pair this machine again.` })

const textOf = (instance: Instance) =>
  ["# Written by maestra; secret. The settings around these are in nats.conf.", ...Object.entries(instance).map(([name, value]) => `${name}: ${JSON.stringify(value)}`), ""].join("\n")

/** Whole or not at all, readable by its owner only, on the disk when this returns. */
const writeAtomically = (file: string, content: string | Uint8Array) => {
  const fresh = `${file}.${randomBytes(6).toString("hex")}.new`
  const fd = openSync(fresh, "wx", 0o600)
  try {
    writeSync(fd, typeof content === "string" ? Buffer.from(content) : content)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(fresh, file)
}
