// Goal: a usable nats-server is found or fetched in the stated order, and where none is, one message says what to do.
// Method: the real binary behind each step in turn; a local HTTP server for the release; scripts that claim versions for the rest.
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { findServer, type FindOptions } from "../../src/nats/binary.ts"
import { debianPackage, type PackageSource } from "../../src/nats/serverPackage.ts"
import type { Release } from "../../src/nats/serverRelease.ts"
import { binary, temporaryFolder } from "../support/hubRig.ts"

const nowhere: Pick<FindOptions, "release" | "package"> = {
  release: { version: "2.15.1", baseUrl: "http://127.0.0.1:9", archives: {} },
  package: { aptGet: "/nonexistent/apt-get", keyring: "/nonexistent", suite: "forky" }
}

const find = (env: Readonly<Record<string, string>>, options: Partial<FindOptions> & { readonly cacheDir: string }, said: Array<string> = []) =>
  findServer({ say: (line) => Effect.sync(() => void said.push(line)), ...nowhere, ...options }).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...env } })))
  )

/** A folder with a program that calls itself nats-server of this version. */
const claiming = (version: string) =>
  Effect.map(temporaryFolder, (folder) => {
    writeFileSync(join(folder, "nats-server"), `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o755 })
    return folder
  })

/** Serves the real binary as the project packs its releases. */
const releaseSite = (spoil: (release: Release) => Release = (release) => release) =>
  Effect.gen(function*() {
    const folder = yield* temporaryFolder
    const inside = join(folder, "nats-server-v2.15.1-test")
    mkdirSync(inside)
    copyFileSync(yield* binary, join(inside, "nats-server"))
    const file = "nats-server-v2.15.1-test.tar.gz"
    execFileSync("tar", ["-czf", join(folder, file), "-C", folder, "nats-server-v2.15.1-test"])
    const bytes = readFileSync(join(folder, file))
    const asked: Array<string> = []
    const server = createServer((request, response) => {
      asked.push(request.url ?? "")
      if (request.url === `/${file}`) response.end(bytes)
      else response.writeHead(404).end()
    })
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () => Effect.sync(() => server.close())
    )
    const release = spoil({ version: "2.15.1", baseUrl: `http://127.0.0.1:${port}`, archives: { test: { file, sha256: createHash("sha256").update(bytes).digest("hex") } } })
    return { release, asked }
  })

it.live("NATS_SERVER comes first; too old or no server at all is an error, not a reason to take another", () =>
  Effect.gen(function*() {
    const cacheDir = yield* temporaryFolder
    const real = yield* binary
    const found = yield* find({ NATS_SERVER: real, PATH: yield* claiming("2.99.0") }, { cacheDir })
    assert.deepStrictEqual([found.path, found.source], [real, "NATS_SERVER"])
    const old = join(yield* claiming("2.10.24"), "nats-server")
    const tooOld = yield* Effect.flip(find({ NATS_SERVER: old, PATH: "/usr/bin" }, { cacheDir }))
    assert.strictEqual(tooOld._tag, "ServerTooOld")
    assert.include(tooOld.message, `${old} is nats-server 2.10.24; at least 2.15.1 is needed`)
    const missing = yield* Effect.flip(find({ NATS_SERVER: "/nonexistent/nats-server" }, { cacheDir }))
    assert.include(missing.message, "/nonexistent/nats-server is not a nats-server that runs here")
  }))

it.live("PATH comes next; one there that is too old is named, and the search goes on to the cache", () =>
  Effect.gen(function*() {
    const cacheDir = yield* temporaryFolder
    const real = yield* binary
    const onPath = yield* temporaryFolder
    symlinkSync(real, join(onPath, "nats-server"))
    assert.strictEqual((yield* find({ PATH: `relative:${onPath}` }, { cacheDir })).source, "PATH")

    for (const version of ["2.15.1", "2.16.0", "2.9.0"]) {
      mkdirSync(join(cacheDir, `nats-server-${version}`))
      copyFileSync(join(yield* claiming(version), "nats-server"), join(cacheDir, `nats-server-${version}`, "nats-server"))
    }
    const said: Array<string> = []
    const old = yield* claiming("2.15.1-RC.2")
    const cached = yield* find({ PATH: old }, { cacheDir }, said)
    assert.deepStrictEqual([cached.source, cached.version], ["cache", "2.16.0"])
    assert.include(said.join("\n"), `${old}/nats-server is nats-server 2.15.1-RC.2, too old`)
  }))

it.live("the default cache is XDG_CACHE_HOME/maestra-sync, or ~/.cache/maestra-sync", () =>
  Effect.gen(function*() {
    const home = yield* temporaryFolder
    for (const [env, cache] of [[{ HOME: home }, join(home, ".cache/maestra-sync")], [{ HOME: home, XDG_CACHE_HOME: join(home, "x") }, join(home, "x/maestra-sync")]] as const) {
      mkdirSync(join(cache, "nats-server-2.15.1"), { recursive: true })
      copyFileSync(join(yield* claiming("2.15.1"), "nats-server"), join(cache, "nats-server-2.15.1/nats-server"))
      const found = yield* findServer({ say: () => Effect.void, ...nowhere }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
      assert.strictEqual(found.path, join(cache, "nats-server-2.15.1/nats-server"))
    }
  }))

it.live("the release is downloaded once, checked, cached; two at once do not disturb each other", () =>
  Effect.gen(function*() {
    const cacheDir = join(yield* temporaryFolder, "not yet there")
    const { asked, release } = yield* releaseSite()
    const said: Array<string> = []
    const both = yield* Effect.all([find({}, { cacheDir, release, platform: "test" }, said), find({}, { cacheDir, release, platform: "test" })], { concurrency: 2 })
    assert.deepStrictEqual(both.map(({ source }) => source), ["release", "release"])
    assert.include(said[0], "Downloading nats-server 2.15.1 from http://127.0.0.1")
    assert.deepStrictEqual(readdirSync(cacheDir), ["nats-server-2.15.1"])
    assert.strictEqual((yield* find({}, { cacheDir, release, platform: "test" })).source, "cache")
    assert.lengthOf(asked, 2)
  }))

it.live("an archive with another checksum, a missing file, a platform without a checksum: not used, each named in one message", () =>
  Effect.gen(function*() {
    const cacheDir = yield* temporaryFolder
    const wrongSum = yield* releaseSite((release) => ({ ...release, archives: { test: { ...release.archives["test"]!, sha256: "0".repeat(64) } } }))
    const failure = yield* Effect.flip(find({ PATH: yield* claiming("2.10.0") }, { cacheDir, release: wrongSum.release, platform: "test" }))
    for (const part of ["NATS_SERVER: not set", "2.10.0, too old", "cache: nothing usable", `not ${"0".repeat(64)}: not used`, "no Debian-like system", "By hand: download", "SHA256SUMS", "set NATS_SERVER"]) {
      assert.include(failure.message, part)
    }
    assert.deepStrictEqual(readdirSync(cacheDir), [])
    const noFile = yield* releaseSite((release) => ({ ...release, archives: { test: { ...release.archives["test"]!, file: "other.tar.gz" } } }))
    assert.include((yield* Effect.flip(find({}, { cacheDir, release: noFile.release, platform: "test" }))).message, "answered 404")
    assert.include((yield* Effect.flip(find({}, { cacheDir, release: noFile.release, platform: "plan9-mips" }))).message, "no checksum is known for plan9-mips")
    assert.include((yield* Effect.flip(find({}, { cacheDir, release: { ...noFile.release, baseUrl: "http://127.0.0.1:9" }, platform: "test" }))).message, "official release: ")
  }))

it.live("apt's own failure is quoted, and it was asked with state of its own only", () =>
  Effect.gen(function*() {
    const folder = yield* temporaryFolder
    const calls = join(folder, "calls")
    const aptGet = join(folder, "apt-get")
    writeFileSync(aptGet, `#!/bin/sh\nif [ "$1" = indextargets ]; then echo http://mirror.example.org/debian; exit; fi\ncat "$3" sources.list >> ${calls}\necho "E: no such luck" >&2\nexit 100\n`, { mode: 0o755 })
    writeFileSync(join(folder, "keyring"), "")
    const source: PackageSource = { aptGet, keyring: join(folder, "keyring"), suite: "forky" }
    const cacheDir = join(folder, "cache")
    const failure = yield* Effect.flip(find({}, { cacheDir, package: source }))
    assert.include(failure.message, "E: no such luck")
    const configuration = readFileSync(calls, "utf8")
    assert.include(configuration, `deb [signed-by=${folder}/keyring] http://mirror.example.org/debian forky main`)
    for (const own of ["Dir::State ", "Dir::Cache ", "Dir::Etc::SourceList "]) assert.include(configuration, `${own}"${cacheDir}/.fetching-`)
    assert.include(configuration, `Dir::Etc::SourceParts "/dev/null"`)
  }))

const cannotFetch = process.env["MAESTRA_TEST_FETCH"] !== "1" || !existsSync(debianPackage.aptGet)
it.live.skipIf(cannotFetch)(`the distribution's newer package is fetched for real${cannotFetch ? " (skipped: MAESTRA_TEST_FETCH is not 1, or no apt)" : ""}`, () =>
  Effect.gen(function*() {
    const cacheDir = yield* temporaryFolder
    const found = yield* find({ PATH: "/usr/bin:/bin" }, { cacheDir, package: debianPackage })
    assert.strictEqual(found.source, "package")
    assert.match(execFileSync(found.path, ["--version"]).toString(), /^nats-server: v2\./)
    assert.deepStrictEqual(readdirSync(cacheDir), [`nats-server-${found.version}`])
  }), 300_000)
