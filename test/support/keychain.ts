/**
 * A real Secret Service for tests: gnome-keyring on a D-Bus session of its own, in folders of its own.
 *
 * The test process has no session bus, so what is to be tried runs in a process inside that session: this
 * file again, with the scenario's name. It prints one JSON line, what each step gave.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Cause, ConfigProvider, Duration, Effect, Exit, Layer, Option, Redacted } from "effect"
import { BackendIdentity, identityLayer } from "../../src/security/BackendIdentity.ts"
import { keystoreLayer } from "../../src/security/chooseKeystore.ts"
import { keychainLayer, openKeychain } from "../../src/security/keychain.ts"
import { account, Keystore, keychainService } from "../../src/security/Keystore.ts"
import { keystoreSuite } from "./keystoreSuite.ts"

/** What each step of a scenario gave: `"ok"`, some text, or the tag of its error. */
export type Steps = Readonly<Record<string, string>>

/** `unlocked`, `locked`: a keyring so. `empty`: a daemon without any keyring. `no-bus`, `silent-bus`: without, or with one that never answers. */
export type Scenario = "unlocked" | "locked" | "empty" | "no-bus" | "silent-bus"

const has = (command: string) => (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, command)))

/** Whether this machine can run a Secret Service of its own. */
export const keychainDaemon: boolean = ["gnome-keyring-daemon", "dbus-run-session", "dbus-send"].every(has)

/** Ends with its session: the daemon and the bus are stopped by id, whatever happens in between. */
const session = (daemon: string) => `
  bus() { dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets; }
  printf 'pw\\n' | gnome-keyring-daemon --foreground ${daemon} --components=secrets >/dev/null 2>&1 &
  daemon=$!
  trap 'kill $daemon 2>/dev/null' EXIT
  for i in $(seq 200); do bus 2>/dev/null | grep -q 'boolean true' && break; sleep 0.05; done
  "$1" "$2" "$3"
`

/** Run a scenario in its own session and return what its steps gave. */
export const inKeychain = (scenario: Scenario): Promise<Steps> => {
  const folder = mkdtempSync(join(tmpdir(), "maestra-keychain-"))
  // nothing of the person's own session or desktop: no bus, no display to show a prompt on
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    XDG_DATA_HOME: join(folder, "data"),
    XDG_CACHE_HOME: join(folder, "cache"),
    XDG_RUNTIME_DIR: folder
  }
  const self = [process.execPath, fileURLToPath(import.meta.url), scenario]
  const withBus = (daemon: string) => ["dbus-run-session", "--", "sh", "-c", session(daemon), "sh", ...self]
  const commands: Record<Scenario, () => ReadonlyArray<string>> = {
    unlocked: () => withBus("--unlock"),
    locked: () => withBus("--unlock"),
    empty: () => withBus(""),
    "no-bus": () => self,
    "silent-bus": () => self
  }
  return output(commands[scenario](), env)
    .then((text): Steps => JSON.parse(text.trim().split("\n").at(-1) ?? ""))
    .finally(() => rmSync(folder, { recursive: true, force: true }))
}

const output = ([command, ...args]: ReadonlyArray<string>, env: Record<string, string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command!, args, { env, stdio: ["ignore", "pipe", "pipe"] })
    const out: Array<string> = []
    const said: Array<string> = []
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) => code === 0 ? resolve(out.join("")) : reject(new Error(`exit ${code}: ${said.join("")}`)))
  })

const outcome = <A, E>(exit: Exit.Exit<A, E>): string =>
  Exit.match(exit, {
    onSuccess: (value) => typeof value === "string" ? value : "ok",
    onFailure: (cause) =>
      Option.match(Cause.findErrorOption(cause), {
        onNone: () => Cause.pretty(cause),
        onSome: (error) =>
          typeof error === "object" && error !== null && "_tag" in error
            ? `${String(error._tag)}${"hint" in error && String(error.hint).length > 20 ? "" : " without a hint"}`
            : String(error)
      })
  })

const run = (effect: Effect.Effect<unknown, unknown>): Promise<string> => Effect.runPromiseExit(effect).then(outcome)

const chosen = Keystore.use(({ kind }) => Effect.succeed(kind)).pipe(
  Effect.provide(
    keystoreLayer({ file: join(tmpdir(), "unused") }).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))))
  )
)

/** What the keyring itself says it holds, asked with another program. */
const byOtherProgram = (name: string): string => {
  if (!has("secret-tool")) return "no secret-tool"
  return spawnSync("secret-tool", ["lookup", "service", keychainService, "username", name]).stdout.toString()
}

/** Locks the collection, then says so when the daemon did. */
const lock = Effect.sync(() => {
  const { status, stdout } = spawnSync("dbus-send", [
    "--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets",
    "org.freedesktop.Secret.Service.Lock", "array:objpath:/org/freedesktop/secrets/collection/login"
  ])
  return status === 0 && stdout.toString().includes("collection/login") ? "ok" : `not locked: ${stdout.toString()}`
})

/** Nobody waits here for a person: however busy the machine is, the keyring answers. */
const patience = Duration.minutes(1)

const identityIn = (folder: string) =>
  BackendIdentity.use(({ identity, prove }) => Effect.as(prove("c"), identity.public_key)).pipe(
    Effect.provide(identityLayer({ backendId, backendType: "local", capabilities: [], file: join(folder, "identity.json") }).pipe(
      Layer.provide(keychainLayer(patience))
    ))
  )
const backendId = `local_sha256_${"a".repeat(64)}`

const unlocked = async (): Promise<Steps> => {
  const steps: Record<string, string> = {}
  for (const [name, check] of Object.entries(keystoreSuite)) steps[name] = await run(check.pipe(Effect.provide(keychainLayer(patience))))
  steps["chosen"] = await run(chosen)
  const folder = process.env["HOME"] ?? ""
  const first = await run(identityIn(folder))
  steps["identity"] = first.startsWith("-----BEGIN PUBLIC KEY-----") ? "ok" : first
  steps["identity again"] = (await run(identityIn(folder))) === first ? "ok" : "another one"
  steps["held by the keyring"] = byOtherProgram(account(backendId, "signing")).includes("BEGIN PRIVATE KEY") ? "ok" : "not found"
  steps["deleted"] = await run(Effect.flatMap(openKeychain(patience), (keychain) => keychain.delete(account(backendId, "signing"))))
  steps["identity without its key"] = await run(identityIn(folder))
  return steps
}

const locked = async (): Promise<Steps> => {
  const keychain = await Effect.runPromise(openKeychain(patience))
  const steps: Record<string, string> = { set: await run(keychain.set("b/one", Redacted.make("s"))), lock: await run(lock) }
  steps["get"] = await run(keychain.get("b/one"))
  steps["set while locked"] = await run(keychain.set("b/two", Redacted.make("s")))
  steps["delete while locked"] = await run(keychain.delete("b/one"))
  steps["open"] = await run(openKeychain(patience))
  steps["chosen"] = await run(chosen)
  return steps
}

const refused = async (): Promise<Steps> => ({ open: await run(openKeychain(patience)), chosen: await run(chosen) })

/** A socket that takes connections and says nothing. */
const silent = async (): Promise<Steps> => {
  const path = join(process.env["XDG_RUNTIME_DIR"] ?? tmpdir(), "silent")
  const server = createServer().listen(path)
  process.env["DBUS_SESSION_BUS_ADDRESS"] = `unix:path=${path}`
  const began = performance.now()
  const open = await run(openKeychain(Duration.seconds(1)))
  const took = performance.now() - began
  server.close()
  // open connections of a killed process are closed by the system; the server then ends too
  return { open, "in time": took < 4000 ? "ok" : `${took} ms` }
}

const scenarios: Record<Scenario, () => Promise<Steps>> = { unlocked, locked, empty: refused, "no-bus": refused, "silent-bus": silent }

if (import.meta.main) {
  const steps = await scenarios[process.argv[2] as Scenario]()
  process.stdout.write(`${JSON.stringify(steps)}\n`)
}
