import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { type Link, makeLink } from "./tcpLink.ts"
import type { Told } from "./told.ts"
import type { SmallDisks } from "./smallDisks.ts"
import { findBinary, freePort as anyFreePort } from "./natsServer.ts"

/** The command line as its users start it: with the flags of Node that keep its memory small. */
export const maestra = fileURLToPath(new URL("../../src/cli/maestra.sh", import.meta.url))

/** Which checkout a backend is started from; looked at whenever it starts. */
export interface Version {
  maestra: string
}

/** What a command printed and how it ended. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** One backend as a process of its own, as a person starts it: `maestra hosted up`, `maestra local up`. */
export interface Backend {
  readonly name: string
  readonly side: "hosted" | "local"
  /** `MAESTRA_DATA_DIR`. */
  readonly home: string
  /** Its own folder: `<home>/<side>`. */
  readonly dir: string
  readonly url: () => string
  readonly pid: () => number
  /** The nats-server child's pid. */
  readonly natsPid: () => number
  readonly start: () => Promise<void>
  /** SIGTERM, and the end of the process. */
  readonly stop: () => Promise<void>
  /** SIGKILL. */
  readonly kill: () => Promise<void>
  readonly log: () => string
  readonly running: () => boolean
  /** A request with the backend's own token (local token, admin token). */
  readonly http: <A = Told>(method: string, path: string, body?: unknown) => Promise<{ readonly status: number; readonly json: A; readonly text: string }>
  /** The first of what an event stream says. */
  readonly stream: (path: string) => Promise<string>
  /** `maestra …` against this backend. */
  readonly cli: (...args: ReadonlyArray<string>) => Promise<Ran>
}

export interface World {
  readonly dir: string
  /** What hosted data lies under: for tests that do to the hub's store what a disk or an intruder does. */
  readonly masterKey: string
  /** The environment its processes share: passphrase, master key, nats-server. */
  readonly secrets: Readonly<Record<string, string>>
  readonly hosted: (name?: string, options?: { readonly cluster?: string; readonly port?: number; readonly leafUrl?: string; readonly leafPort?: number; readonly args?: ReadonlyArray<string>; readonly env?: Readonly<Record<string, string>>; readonly disks?: SmallDisks; readonly version?: Version; readonly start?: boolean }) => Promise<Backend>
  readonly local: (name: string, options?: { readonly args?: ReadonlyArray<string>; readonly env?: Readonly<Record<string, string>>; readonly home?: string; readonly start?: boolean; readonly disks?: SmallDisks }) => Promise<Backend>
  /** Enrol a user at the hosted backend and pair the local one. Returns the tenant. */
  readonly pair: (hosted: Backend, local: Backend, user?: string) => Promise<string>
  readonly link: (target: number) => Promise<Link>
  readonly leafPort: (hosted: Backend) => number
  readonly close: () => Promise<void>
}

/** Ctrl-C is for who runs the test or script; what that started ends by its word, or at the end of its stdin. */
export const ownGroup = { detached: true } as const

/** On a machine busy with much else the program alone takes half a minute to load. */
const startWithinMs = 120_000
const freePort = () => Effect.runPromise(anyFreePort)

const open = new Set<World>()
/** Close every world there is: a script was told to stop. */
export const closeWorlds = (): Promise<unknown> => Promise.all([...open].map((world) => world.close()))

/** A place with backends on free loopback ports, in a temporary folder; `close` ends every process it started. */
export const makeWorld = async (): Promise<World> => {
  const dir = mkdtempSync(join(tmpdir(), "maestra-world-"))
  const passphrase = randomBytes(16).toString("base64url")
  const masterKey = randomBytes(32).toString("base64url")
  const backends: Array<Backend> = []
  const links: Array<Link> = []
  const leafPorts = new Map<Backend, number>()
  const secrets = { MAESTRA_KEYSTORE_PASSPHRASE: passphrase, MAESTRA_MASTER_KEY: masterKey, NATS_SERVER: await Effect.runPromise(findBinary) }

  const make = async (side: "hosted" | "local", name: string, home: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, disks?: SmallDisks, version: Version = { maestra }, wanted?: number): Promise<Backend> => {
    const port = wanted ?? await freePort()
    const backend = backendAt({ side, name, home, args: ["--port", String(port), ...args], env: { ...secrets, ...env }, url: `http://127.0.0.1:${port}`, disks, version })
    backends.push(backend)
    return backend
  }
  const world: World = {
    dir, masterKey,
    secrets,
    hosted: async (name = "hosted", options = {}) => {
      const leaf = options.leafPort ?? await freePort()
      const nats = await freePort()
      const where = options.cluster === undefined
        ? ["--leaf-port", String(leaf), "--nats-port", String(nats), ...(options.leafUrl === undefined ? [] : ["--leaf-url", options.leafUrl])]
        : ["--cluster", options.cluster]
      const backend = await make("hosted", name, join(dir, name), [...where, ...(options.args ?? [])], options.env ?? {}, options.disks, options.version, options.port)
      leafPorts.set(backend, leaf)
      if (options.start !== false) await backend.start()
      return backend
    },
    local: async (name, options = {}) => {
      const backend = await make("local", name, options.home ?? join(dir, name), options.args ?? [], options.env ?? {}, options.disks)
      if (options.start !== false) await backend.start()
      return backend
    },
    pair: async (hosted, local, user = "ada") => {
      const enrolled = await hosted.http("POST", "/enroll", { user })
      if (enrolled.status !== 200 && enrolled.status !== 201) throw new Error(`enroll: ${enrolled.status} ${enrolled.text}`)
      const paired = await local.http("POST", "/pair", { code: enrolled.json.code })
      if (paired.status !== 200 && paired.status !== 201) throw new Error(`pair: ${paired.status} ${paired.text}`)
      return enrolled.json.tenant
    },
    link: async (target) => {
      const link = await makeLink(target)
      links.push(link)
      return link
    },
    leafPort: (hosted) => leafPorts.get(hosted)!,
    close: async () => {
      open.delete(world)
      for (const link of links) link.close()
      await Promise.all(backends.map((backend) => backend.stop()))
      rmSync(dir, { recursive: true, force: true })
    }
  }
  open.add(world)
  return world
}

const backendAt = (options: { readonly side: "hosted" | "local"; readonly name: string; readonly home: string; readonly args: ReadonlyArray<string>; readonly env: Readonly<Record<string, string>>; readonly url: string; readonly disks: SmallDisks | undefined; readonly version: Version }): Backend => {
  const { args, disks, env, home, name, side, url, version } = options
  const see = disks?.see ?? ((path: string) => path)
  /** The command line, where the disks are. */
  const command = () => [...(disks?.enter ?? []), version.maestra]
  const dir = join(home, side)
  let child: ChildProcess | undefined
  let log = ""
  const environment = { ...process.env, ...env, MAESTRA_DATA_DIR: home, MAESTRA_PARENT_PIPE: "1" }
  const token = () => readFileSync(see(join(dir, side === "hosted" ? "admin-token" : "token")), "utf8").trim()
  /** Where its own machine's programs reach it; another port than the one it was given, where it speaks TLS there. */
  const at = (): string => {
    const file = see(join(dir, "runtime.json"))
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { readonly url: string }).url : url
  }
  const exited = (one: ChildProcess) => new Promise<void>((done) => one.exitCode !== null || one.signalCode !== null ? done() : one.once("exit", () => done()))
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null
  const backend: Backend = {
    name, side, home, dir,
    url: at,
    pid: () => child?.pid ?? 0,
    natsPid: () => pidIn(see(join(dir, "nats"))),
    running,
    log: () => log,
    start: async () => {
      if (running()) return
      const [program, ...words] = command()
      const started = child = spawn(program!, [...words, side, "up", ...args], { env: environment, stdio: ["pipe", "pipe", "pipe"], ...ownGroup })
      for (const stream of [started.stdout!, started.stderr!]) stream.on("data", (bytes: Buffer) => { log += bytes.toString() })
      await until(async () => {
        if (!running()) throw new Error(`${name} ended while starting:\n${log.slice(-3000)}`)
        return existsSync(see(join(dir, "runtime.json"))) && (await fetch(`${at()}/health`).then((r) => r.ok, () => false))
      }, startWithinMs, () => `${name} did not start:\n${log.slice(-3000)}`)
    },
    stop: async () => {
      if (child === undefined || !running()) return
      child.kill("SIGTERM")
      await exited(child)
    },
    kill: async () => {
      if (child === undefined || !running()) return
      child.kill("SIGKILL")
      await exited(child)
    },
    http: async (method, path, body) => {
      const response = await fetch(`${at()}${path}`, {
        method,
        headers: { authorization: `Bearer ${token()}`, ...(body === undefined ? {} : { "content-type": typeof body === "string" ? "application/x-ndjson" : "application/json" }) },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
      }).catch((cause: unknown) => {
        throw new Error(`${name} does not answer${running() ? "" : ", it has ended"}:\n${log.slice(-3000)}`, { cause })
      })
      const text = await response.text()
      return { status: response.status, text, json: jsonOf(text) }
    },
    stream: async (path) => {
      const { body } = await fetch(`${at()}${path}`, { headers: { authorization: `Bearer ${token()}` } })
      const reader = body!.pipeThrough(new TextDecoderStream()).getReader()
      const { value = "" } = await reader.read()
      await reader.cancel()
      return value
    },
    cli: (...words) => run([...command(), ...words], environment)
  }
  return backend
}

/** An answer that is no JSON reads as an empty object: the test says what it wanted of it. */
const jsonOf = <A>(text: string): A => {
  try {
    return JSON.parse(text)
  } catch {
    return JSON.parse("{}")
  }
}

/** Run the command line; its standard input is empty. */
export const run = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Promise<Ran> =>
  new Promise((done, failed) => {
    const { MAESTRA_PARENT_PIPE: _, ...own } = env
    const child = spawn(args[0]!, args.slice(1), { env: own, stdio: ["ignore", "pipe", "pipe"] })
    let out = ""
    let err = ""
    child.stdout.on("data", (bytes: Buffer) => { out += bytes.toString() })
    child.stderr.on("data", (bytes: Buffer) => { err += bytes.toString() })
    child.once("error", failed)
    // not at its exit: what it said last may still be on its way then
    child.once("close", (code) => done({ code: code ?? -1, out, err }))
  })

/** The server's pid as its supervisor wrote it. */
export const pidIn = (runDir: string): number => {
  const text = readFileSync(join(runDir, "nats-server.pid.json"), "utf8")
  return Number((JSON.parse(text) as { readonly server: number }).server)
}

/** How much longer than usual may be waited: a machine busy with much else is slow, and nothing is wrong with that. */
export const patience = Number(process.env["MAESTRA_TEST_PATIENCE"] ?? 1)

/** Wait for a condition; fails with `why` when the time is over. */
export const until = async (is: () => Promise<boolean> | boolean, withinMs: number, why: () => string = () => "condition not reached"): Promise<void> => {
  const deadline = performance.now() + withinMs * patience
  while (!(await is())) {
    if (performance.now() > deadline) throw new Error(why())
    await new Promise((wait) => setTimeout(wait, 50))
  }
}

export interface Digest {
  readonly conversations: number
  readonly messages: number
  readonly digest: string
}

export const digestOf = async (backend: Backend, tenant: string): Promise<Digest> =>
  (await backend.http("GET", backend.side === "hosted" ? `/digest?tenant=${tenant}` : "/digest")).json

/** Wait until every local is in step and all show the same. Returns the common digest. */
export const agreed = async (tenant: string, hosted: Backend, locals: ReadonlyArray<Backend>, withinMs = 60_000): Promise<Digest> => {
  let seen = ""
  let last: Digest | undefined
  await until(async () => {
    const statuses = await Promise.all(locals.map(async (local) => (await local.http("GET", "/status")).json))
    seen = JSON.stringify(statuses.map((status) => [status?.sentence, status?.pending, status?.behind]))
    if (!statuses.every((status) => status?.state === "in_step")) return false
    const digests = await Promise.all([hosted, ...locals].map((backend) => digestOf(backend, tenant)))
    seen += JSON.stringify(digests)
    last = digests[0]
    return digests.every(({ digest }) => digest === digests[0]!.digest)
  }, withinMs, () => `not agreed: ${seen}`)
  return last!
}
