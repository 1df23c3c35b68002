// Goal: no secret leaves its place: not into logs, command lines, environments of children, events, refusals, crashes or the data directory; a stolen
// backup or data directory opens nothing and is nobody.
// Method: a hosted and a local backend as processes with secrets the test knows, through pairing, sync, advisor, tools, refusals, a crash and
// a restart; then every byte they left is searched for every secret in every form. Then what a thief has is used.
import { assert, describe, it } from "@effect/vitest"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { Effect, Redacted, Result } from "effect"
import { keyId } from "../../src/security/keys.ts"
import { decodePairingCode } from "../../src/security/pairingCode.ts"
import { dataKeyBytes } from "../../src/security/sealing.ts"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { unwrapDataKey } from "../../src/security/wrapping.ts"
import { enrol, makeRawPeer, registerRaw, tokenFor } from "../support/rawPeer.ts"
import { agreed, type Backend, makeWorld, run, until, type World } from "../support/world.ts"

const words = "PLANTED-WORDS-OF-ADA"
let world: World
let hosted: Backend
let ada: Backend
let tenant: string
let backup: string
/** Secrets as the bytes they are; and texts that are secrets themselves. */
const planted = new Map<string, Uint8Array>()
/** What backends printed, answered and told, by where. */
const said = new Map<string, string>()

const text = (name: string, value: string) => void planted.set(name, Buffer.from(value))
const bytes = (name: string, value: Uint8Array) => void planted.set(name, value)

const filesIn = (dir: string): ReadonlyArray<string> => readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))

/** Every form a secret's bytes are written in. */
const formsOf = (secret: Uint8Array): ReadonlyArray<Buffer> => {
  const raw = Buffer.from(secret)
  return [raw, Buffer.from(raw.toString("base64url")), Buffer.from(raw.toString("base64").replace(/=+$/, "")), Buffer.from(raw.toString("hex")), Buffer.from(JSON.stringify(raw.toString("latin1")).slice(1, -1))]
}
const foundIn = (hay: Uint8Array, except: ReadonlyArray<string> = []): ReadonlyArray<string> =>
  [...planted].filter(([name, secret]) => !except.includes(name) && formsOf(secret).some((form) => Buffer.from(hay).includes(form))).map(([name]) => name)

/** Where a secret belongs, and nowhere else: files of the owner alone. */
const places: Readonly<Record<string, ReadonlyArray<string>>> = {
  "local/token": ["local token"],
  "hosted/admin-token": ["admin token"]
}

beforeAll(async () => {
  world = await makeWorld()
  text("keystore passphrase", world.secrets["MAESTRA_KEYSTORE_PASSPHRASE"]!)
  text("master key", world.masterKey)
  ;[hosted, ada] = await Promise.all([world.hosted(), world.local("ada")])
  text("local token", readFileSync(join(ada.dir, "token"), "utf8").trim())
  text("admin token", readFileSync(join(hosted.dir, "admin-token"), "utf8").trim())

  const { json: code } = await hosted.http("POST", "/enroll", { user: "ada" })
  tenant = code.tenant
  text("pairing code", code.code)
  bytes("device secret", Redacted.value(Result.getOrThrow(decodePairingCode(code.code)).secret))
  await ada.http("POST", "/pair", { code: code.code })
  // once more, and mistyped: refusals quote nothing
  said.set("refused pairing", (await ada.http("POST", "/pair", { code: code.code })).text + (await ada.http("POST", "/pair", { code: `${code.code}x` })).text)

  const raw = await makeRawPeer("raw")
  const second = await enrol(hosted, "ada")
  text("second pairing code", second.text)
  bytes("second device secret", second.secret)
  const token = await tokenFor(hosted, raw, second)
  text("session token", encodeBearer(token))
  const { json: { replication } } = await registerRaw(hosted, raw, token)
  bytes("data key", dataKeyBytes(await Effect.runPromise(unwrapDataKey(replication!.data_key, raw.pair.privateKey, keyId(raw.pair.publicPem)))))

  text("advisor key", "sk-PLANTED-ADVISOR-KEY-0123456789")
  said.set("advisor key", (await ada.http("PUT", "/api/maestra/advisor/key", { key: "sk-PLANTED-ADVISOR-KEY-0123456789" })).text)
  const made = await hosted.http<{ readonly token: string }>("POST", "/admin/tokens", { name: "grafana", scope: "read" })
  text("named admin token", made.json.token)
  const tool = await hosted.http<{ readonly creds: string }>("POST", "/tools/warehouse", { tenant, days: 1 })
  text("tool's seed", /SU[A-Z0-9]{50,}/.exec(tool.json.creds)?.[0] ?? "")

  await ada.http("POST", "/conversations/private/messages", { role: "user", content: words })
  await agreed(tenant, hosted, [ada])
  for (const [name, method, path, body] of [["status", "GET", "/status"], ["debug", "GET", "/debug"], ["audit", "GET", "/audit?limit=500"], ["bad write", "POST", "/conversations/%00/messages", { role: "user" }], ["peers", "GET", "/peers"], ["metrics", "GET", "/metrics"]] as const) {
    for (const backend of [hosted, ada]) said.set(`${backend.name} ${name}`, (await backend.http(method, path, body)).text)
  }
  for (const [name, secret] of planted) {
    const bearer = Buffer.from(secret).toString("latin1").replace(/[^\x21-\x7e]/g, "x")
    said.set(`answer to ${name} as a bearer`, await fetch(`${hosted.url()}/conversations`, { headers: { authorization: `Bearer ${bearer}x` } }).then((answer) => answer.text()))
  }
  said.set("events", await hosted.stream(`/events?tenant=${tenant}&from=start`))
  backup = join(world.dir, "backup")
  const backed = await hosted.cli("hosted", "backup", "--out", backup, "--json")
  if (backed.code !== 0) throw new Error(backed.err)
}, 180_000)
afterAll(() => world.close(), 60_000)

describe("planted secrets", { timeout: 120_000 }, () => {
  it("are at least the kinds there are, and long enough to be found", () => {
    assert.isAtLeast(planted.size, 13)
    for (const [name, secret] of planted) assert.isAtLeast(secret.length, 16, name)
    // and the search finds one where it is
    assert.deepStrictEqual([foundIn(readFileSync(join(ada.dir, "token"))), foundIn(readFileSync(`/proc/${hosted.pid()}/environ`))], [["local token"], ["keystore passphrase", "master key"]])
  })

  it("stand in no command line, and in no child's environment", () => {
    for (const pid of [hosted.pid(), ada.pid(), hosted.natsPid(), ada.natsPid()]) assert.deepStrictEqual(foundIn(readFileSync(`/proc/${pid}/cmdline`)), [], `command line of ${pid}`)
    for (const pid of [hosted.natsPid(), ada.natsPid()]) assert.deepStrictEqual(foundIn(readFileSync(`/proc/${pid}/environ`)), [], `environment of ${pid}`)
  })

  it("are in no answer, no refusal and no event", () => {
    assert.isAtLeast(said.size, 25)
    for (const [where, what] of said) assert.deepStrictEqual(foundIn(Buffer.from(what)), [], where)
  })

  it("are in no log, after a crash either, and no core is left", async () => {
    for (const backend of [ada, hosted]) {
      process.kill(backend.pid(), "SIGABRT")
      await until(() => !backend.running(), 20_000)
      await backend.start()
    }
    await agreed(tenant, hosted, [ada])
    for (const backend of [ada, hosted]) {
      assert.isAbove(backend.log().length, 100)
      assert.deepStrictEqual(foundIn(Buffer.from(backend.log())), [], `${backend.name}'s log`)
      assert.notInclude(backend.log(), words)
    }
    assert.deepStrictEqual(filesIn(world.dir).filter((file) => /(^|\/)(core|report)\b[^/]*$/.test(file)), [])
  })

  it("are in no file but their own, which only its owner reads", () => {
    const files = [...filesIn(hosted.home), ...filesIn(ada.home), ...filesIn(backup)]
    assert.isAbove(files.length, 40)
    for (const file of files) {
      const home = [hosted.home, ada.home].find((dir) => file.startsWith(dir)) ?? ""
      assert.deepStrictEqual(foundIn(readFileSync(file), places[relative(home, file)] ?? []), [], file)
    }
  })

  it("cannot end in a core file where our launcher or a unit starts the program", async () => {
    const bin = join(world.dir, "launched", "node_modules", ".bin")
    mkdirSync(bin, { recursive: true })
    cpSync("src/cli", join(world.dir, "launched", "src", "cli"), { recursive: true })
    writeFileSync(join(bin, "node"), "#!/bin/sh\nulimit -c\n", { mode: 0o755 })
    const { out } = await run(["/bin/sh", "-c", "ulimit -c unlimited; exec sh \"$0\"", join(world.dir, "launched", "src", "cli", "maestra.sh")], process.env)
    assert.strictEqual(out.trim(), "0")
    for (const unit of readdirSync("infra/systemd").filter((name) => name.endsWith(".service"))) assert.include(readFileSync(join("infra/systemd", unit), "utf8"), "LimitCORE=0", unit)
  })
})

describe("a thief", { timeout: 120_000 }, () => {
  it("of the hosted side's backup reads no word and no key in it", () => {
    const files = filesIn(backup)
    assert.isAtLeast(files.length, 8)
    for (const file of files) {
      const hay = readFileSync(file)
      assert.isFalse(hay.includes(words), file)
      assert.deepStrictEqual(foundIn(hay), [], file)
      assert.isFalse(hay.includes("PRIVATE KEY"), file)
    }
  })

  it("of the hosted side's backup cannot start a backend from it without the master key", async () => {
    const home = join(world.dir, "thief-hosted")
    const env = { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: home }
    const main = [process.execPath, "src/cli/main.ts"]
    const restored = await run([...main, "hosted", "restore", "--from", backup, "--json"], { ...env, MAESTRA_MASTER_KEY: Buffer.alloc(32, 9).toString("base64url") })
    const started = restored.code !== 0 ? restored : await run([...main, "hosted", "up", "--port", "0", "--nats-port", "0", "--leaf-port", "0"], { ...env, MAESTRA_MASTER_KEY: Buffer.alloc(32, 9).toString("base64url") })
    assert.notStrictEqual(started.code, 0)
    assert.match(started.err + started.out, /MAESTRA_MASTER_KEY/)
  })

  it("of a machine's directory cannot be that backend without its keychain, nor open what came from the log", async () => {
    await ada.stop()
    const home = join(world.dir, "thief-local")
    cpSync(ada.home, home, { recursive: true })
    await ada.start()
    for (const passphrase of ["", "wrong"]) {
      const { code, err } = await run([process.execPath, "src/cli/main.ts", "local", "up", "--port", "0"], { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: home, MAESTRA_KEYSTORE_PASSPHRASE: passphrase, DBUS_SESSION_BUS_ADDRESS: "unix:path=/nonexistent" })
      assert.notStrictEqual(code, 0, err)
      assert.match(err, /passphrase|keystore|keychain/i)
    }
    // the mirror holds what the log does: sealed. The journal and the tables hold what was written here, as the disk's encryption must know
    const mirror = filesIn(join(home, "local", "nats", "store")).filter((file) => file.includes("/MIRROR/"))
    assert.isAbove(mirror.length, 0)
    for (const file of mirror) assert.isFalse(readFileSync(file).includes(words), file)
    const plain = filesIn(home).filter((file) => readFileSync(file).includes(words)).map((file) => relative(home, file))
    assert.isTrue(plain.length > 0 && plain.every((file) => /^local\/(local\.sqlite|nats\/store\/.*JOURNAL\/)/.test(file)), plain.join())
    rmSync(home, { recursive: true, force: true })
    assert.isTrue(existsSync(ada.home))
  })
})
