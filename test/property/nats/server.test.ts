// Goal: versions are compared, archives are picked and exits are explained as the operator would expect.
// Method: tables of what is seen in the field.
import { assert, describe, it } from "@effect/vitest"
import { explainExit } from "../../../src/nats/serverErrors.ts"
import { pickSite } from "../../../src/nats/serverPackage.ts"
import { officialRelease } from "../../../src/nats/serverRelease.ts"
import { isAtLeast, serverVersionMin } from "../../../src/nats/serverVersion.ts"

describe("versions", () => {
  it.each([["2.15.1", true], ["2.15.2", true], ["2.16.0", true], ["3.0.0", true], ["2.15.10", true], ["2.15.0", false], ["2.9.99", false], ["1.99.99", false], ["2.15.1-RC.1", false], ["2.16.0-preview.1", true]] as const)(
    "%s is new enough: %s",
    (version, enough) => assert.strictEqual(isAtLeast(version, serverVersionMin), enough)
  )
})

describe("the archive of Debian", () => {
  it.each([
    ["http://deb.debian.org/debian\nhttp://deb.debian.org/debian-security\n", "http://deb.debian.org/debian"],
    ["http://security.debian.org/debian-security\nhttps://mirror.example.org/pub/debian/\n", "https://mirror.example.org/pub/debian/"],
    ["http://archive.ubuntu.com/ubuntu\n", undefined],
    ["file:/srv/debian\n", undefined],
    ["", undefined]
  ])("%j is %s", (targets, site) => assert.strictEqual(pickSite(targets), site))
})

describe("the release table", () => {
  it("holds whole SHA-256 sums of the version it names", () => {
    for (const { file, sha256 } of Object.values(officialRelease.archives)) {
      assert.match(sha256, /^[0-9a-f]{64}$/)
      assert.include(file, `v${officialRelease.version}`)
    }
    assert.isTrue(isAtLeast(officialRelease.version, serverVersionMin))
  })
})

describe("an exit before ready", () => {
  const ftl = (text: string) => [`[1] 2026/11/23 00:00:00.000000 [INF] Starting nats-server`, `[1] 2026/11/23 00:00:00.000000 [FTL] ${text}`]

  it("for a taken port says which", () => {
    const taken = explainExit(ftl(`Error listening on port: 127.0.0.1:4222, "listen tcp 127.0.0.1:4222: bind: address already in use"`), "/log")
    assert.isTrue(taken._tag === "PortTaken" && taken.address === "127.0.0.1:4222")
  })

  it.each(["Can't start JetStream: mkdir /s: permission denied", "could not write: no space left on device", `nats-server: x.conf:3:1: unknown field "foo"`])("quotes the reason: %s", (reason) => {
    const failed = explainExit(ftl(reason), "/log")
    assert.isTrue(failed._tag === "ServerFailed" && failed.hint.includes(reason) && failed.hint.includes("/log"))
  })

  it("keeps fifty lines, and has words for silence", () => {
    const long = explainExit(Array.from({ length: 90 }, (_, i) => `line ${i}`), "/log")
    assert.isTrue(long._tag === "ServerFailed" && long.lastLines.length === 50 && long.lastLines[49] === "line 89")
    assert.include(explainExit([], "/log").hint, "nothing")
  })
})
