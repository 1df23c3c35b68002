// Goal: the systemd units start what is there, as hardened as it can be, and stop it in its own time.
// Method: a strict parser of our own for every field; systemd itself on copies that point at this checkout.
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = join(root, "infra/systemd")
const names = readdirSync(folder).filter((name) => name.endsWith(".service")).toSorted()

/** What makes a hosted backend one of a cluster's. */
const joins = "maestra-hosted.service.d/cluster.conf"

type Unit = ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<string>>>

/** Section → key → values in order. Throws at a line that is none of section, assignment, comment. */
const parse = (text: string): Unit => {
  const unit = new Map<string, Map<string, Array<string>>>()
  let section: Map<string, Array<string>> | undefined
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue
    const name = /^\[(Unit|Service|Install)\]$/.exec(line)?.[1]
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? []
    if (name !== undefined && !unit.has(name)) unit.set(name, section = new Map())
    else if (section !== undefined && key !== undefined && value !== undefined && value === value.trim()) section.set(key, [...section.get(key) ?? [], value])
    else throw new Error(`not a line of a unit: ${line}`)
  }
  return unit
}

const units = new Map(names.map((name) => [name, parse(readFileSync(join(folder, name), "utf8"))] as const))
const service = (name: string) => {
  const held = units.get(name)!.get("Service")!
  const one = (key: string): string => {
    const values = held.get(key) ?? []
    assert.strictEqual(values.length, 1, `${name}: ${key}`)
    return values[0]!
  }
  return { one, all: (key: string) => held.get(key) ?? [] }
}

/** What no service here needs, and a stolen one would use. */
const everywhere = {
  Type: "exec",
  Restart: "on-failure",
  UMask: "0077",
  NoNewPrivileges: "yes",
  ProtectSystem: "strict",
  PrivateTmp: "yes",
  RestrictNamespaces: "yes",
  RestrictRealtime: "yes",
  RestrictSUIDSGID: "yes",
  LockPersonality: "yes",
  SystemCallArchitectures: "native",
  SystemCallFilter: "@system-service"
}
const ofTheSystem = {
  DynamicUser: "yes",
  StateDirectoryMode: "0700",
  CapabilityBoundingSet: "",
  AmbientCapabilities: "",
  ProtectHome: "yes",
  ProtectProc: "invisible",
  ProtectKernelTunables: "yes",
  ProtectKernelModules: "yes",
  ProtectKernelLogs: "yes",
  ProtectControlGroups: "yes",
  ProtectClock: "yes",
  ProtectHostname: "yes",
  PrivateDevices: "yes"
}

describe("systemd units", () => {
  it("are the five", () => assert.deepStrictEqual(names, ["maestra-hosted.service", "maestra-hub-admin.service", "maestra-hub-disk.service", "maestra-hub.service", "maestra-local.service"]))

  it.each(names)("%s may do only what it needs, and is started again for ever", (name) => {
    const { one } = service(name)
    for (const [key, value] of Object.entries({ ...everywhere, ...(name === "maestra-local.service" ? {} : ofTheSystem) })) assert.strictEqual(one(key), value, `${name}: ${key}`)
    assert.deepStrictEqual(units.get(name)!.get("Unit")!.get("StartLimitIntervalSec"), ["0"])
    assert.strictEqual(units.get(name)!.get("Install")!.size, 1)
  })

  it.each(["maestra-hosted.service", "maestra-hub-admin.service", "maestra-hub-disk.service", "maestra-local.service"])("%s stops the backend first, in more than its ten seconds", (name) => {
    const { one } = service(name)
    assert.strictEqual(one("KillMode"), "mixed")
    assert.isAtLeast(Number.parseInt(one("TimeoutStopSec")), 20)
    assert.isTrue(existsSync(one("ExecStart").split(" ")[0]!.replace("/opt/maestra-sync", root)))
  })

  it("who watches a server's disk is that server's user, and holds what tells of it and nothing else", () => {
    const { all, one } = service("maestra-hub-disk.service")
    assert.deepStrictEqual([one("User"), one("StateDirectory")], ["maestra-hub", service("maestra-hub.service").one("StateDirectory")])
    assert.deepStrictEqual(all("LoadCredential"), ["disk.json", "disk.creds"].map((name) => `${name}:/etc/maestra/hub/${name}`))
    assert.match(one("ExecStart"), / hosted cluster disk .*--in %d$/)
  })

  it("the admin role runs alone in its folder, beside no server and no gateway", () => {
    const { all, one } = service("maestra-hub-admin.service")
    assert.match(one("ExecStart"), / hosted cluster up --only admin --log-json$/)
    assert.include(all("Environment"), `MAESTRA_DATA_DIR=%S/${one("StateDirectory")}`)
  })

  it("a hosted process joins by a file that only it can read", () => {
    const joining = parse(readFileSync(join(folder, joins), "utf8")).get("Service")!
    assert.deepStrictEqual(joining.get("LoadCredential"), ["cluster.json:/etc/maestra/cluster.json"])
    const [cleared, start] = joining.get("ExecStart")!
    assert.strictEqual(cleared, "")
    assert.strictEqual(start!.replace(" --cluster %d/cluster.json", ""), service("maestra-hosted.service").one("ExecStart"))
  })

  it("the hub's server leaves as a lame duck, with the two minutes that takes", () => {
    const { one } = service("maestra-hub.service")
    assert.strictEqual(one("KillSignal"), "SIGUSR2")
    assert.isAbove(Number.parseInt(one("TimeoutStopSec")), 120 + 10)
  })

  it("secrets come as files, and stand in no environment and no argument", () => {
    for (const name of ["maestra-hosted.service", "maestra-hub-admin.service"]) {
      assert.strictEqual(service(name).one("LoadCredential"), "master-key:/etc/maestra/master-key")
      assert.include(service(name).all("Environment"), "MAESTRA_MASTER_KEY_FILE=%d/master-key")
    }
    assert.deepStrictEqual(service("maestra-hub.service").all("LoadCredential").map((value) => value.split(":")[0]), ["tls.key", "tls.crt", "route.key", "route.pem", "route-ca.pem"])
    for (const [name, unit] of units) {
      for (const value of [...unit.get("Service")!.get("Environment") ?? [], ...unit.get("Service")!.get("ExecStart")!]) {
        assert.notMatch(value, /(KEY|PASSPHRASE|TOKEN|SECRET)=/, name)
      }
    }
  })

  it("the parser is strict", () => {
    for (const text of ["Key=before any section", "[Service]\nno assignment", "[Service]\nUser=a ", "[Other]", "[Unit]\n[Unit]"]) assert.throws(() => parse(text))
  })
})

const missing = !(process.env["PATH"] ?? "").split(delimiter).some((path) => existsSync(join(path, "systemd-analyze")))

describe.skipIf(missing)(missing ? "skipped: systemd-analyze missing (Debian: systemd)" : "systemd", () => {
  const copies = mkdtempSync(join(tmpdir(), "maestra-units-"))
  afterAll(() => rmSync(copies, { recursive: true }))
  /** The unit as it would be on a machine where this checkout is installed, as systemd sees it. */
  const verify = (name: string, text: string) => {
    const file = join(copies, name)
    writeFileSync(file, text.replaceAll("/opt/maestra-sync/", root).replaceAll("/usr/bin/nats-server", process.execPath))
    const scope = name === "maestra-local.service" ? ["--user"] : []
    return spawnSync("systemd-analyze", [...scope, "verify", "--man=no", file], { encoding: "utf8", env: { PATH: process.env["PATH"], XDG_RUNTIME_DIR: copies, HOME: copies } })
  }

  it.each(names)("takes %s without a word", (name) => {
    const { status, stderr } = verify(name, readFileSync(join(folder, name), "utf8"))
    assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  })

  it("takes a hosted process that joins a cluster", () => {
    const text = readFileSync(join(folder, joins), "utf8")
    mkdirSync(join(copies, "maestra-hosted.service.d"))
    const withDropIn = (dropIn: string) => {
      writeFileSync(join(copies, joins), dropIn.replaceAll("/opt/maestra-sync/", root))
      return verify("maestra-hosted.service", readFileSync(join(folder, "maestra-hosted.service"), "utf8"))
    }
    const { status, stderr } = withDropIn(text)
    assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
    assert.notStrictEqual(withDropIn(text.replace("src/cli/maestra.sh", "nowhere.sh")).status, 0)
    rmSync(join(copies, "maestra-hosted.service.d"), { recursive: true })
  })

  it("would say so", () => {
    const text = readFileSync(join(folder, "maestra-hub.service"), "utf8")
    assert.notStrictEqual(verify("maestra-hub.service", text.replace("ProtectSystem=strict", "ProtectSystem=very")).stderr, "")
    assert.notStrictEqual(verify("maestra-hub.service", text.replace("/usr/bin/nats-server", "/nowhere/nats-server")).status, 0)
  })
})
