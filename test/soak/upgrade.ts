/**
 * A cluster is upgraded while it is written to: two locals write without end; the three servers are replaced one by one
 * by a binary of another path with another configuration, then the two hosted processes, then the admin role, each by
 * another checkout. Then everything must be there once, and the same everywhere.
 *
 * `npm run upgrade -- --help` tells the flags.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { makeCluster } from "../support/cluster.ts"
import { whole } from "../support/load.ts"
import { flagsOf, misused, say, stopsOnSignals, tell } from "../support/script.ts"
import { agreed, digestOf, maestra, makeWorld, type Version } from "../support/world.ts"
import { missing, writing } from "../support/writing.ts"

const values = flagsOf("upgrade", [
  "A cluster is upgraded while it is written to: servers, hosted processes, admin role, one by one.",
  "Exit code 0: nothing lost or doubled, and the same everywhere."
].join("\n"), {
  from: { default: null, value: "REF", says: "the version it begins with, of this repository's history; else the same version under another path" },
  out: { default: null, value: "FILE", says: "write the result there too" }
})
const root = fileURLToPath(new URL("../../", import.meta.url))
if (values.from !== undefined && spawnSync("git", ["rev-parse", "--verify", "--quiet", `${values.from}^{commit}`], { cwd: root, stdio: "ignore" }).status !== 0) misused("upgrade", `there is no version ${values.from} in this repository`)
const began = performance.now()
const at = () => `${((performance.now() - began) / 1000).toFixed(1)} s`
const unlimited = ["--syncs-per-minute", "1000000"]
const settleMs = 180_000

const world = await makeWorld()
/** The version it begins with, in a folder of its own. */
const old = (() => {
  const folder = join(world.dir, "old")
  mkdirSync(folder)
  if (values.from === undefined) {
    for (const part of ["src", "streams", "projections", "package.json", "nats.conf"]) execFileSync("cp", ["-r", join(root, part), folder])
  } else {
    execFileSync("tar", ["x", "-C", folder], { input: execFileSync("git", ["archive", values.from], { cwd: root, maxBuffer: 1024 ** 3 }) })
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  return join(folder, "src/cli/maestra.sh")
})()
const versionOf = (): Version => ({ maestra: old })
const admin = versionOf()
const cluster = await makeCluster(world, 2, undefined, admin)
stopsOnSignals({ close: () => Promise.all([world.close(), cluster.close()]) })
try {
  const versions = [versionOf(), versionOf()] as const
  const join1 = (version: Version) => ({ cluster: cluster.file, args: unlimited, version })
  const hosted = [await world.hosted("h1", join1(versions[0])), await world.hosted("h2", join1(versions[1]))] as const
  const locals = [await world.local("a"), await world.local("b")] as const
  const tenant = await world.pair(hosted[0], locals[0])
  await world.pair(hosted[1], locals[1])
  await agreed(tenant, hosted[0], locals, settleMs)
  say(`${at()}: in step, begun with ${values.from ?? "the same version"}`)

  const loads = locals.map(writing)
  const steps: Array<{ readonly step: string; readonly longest_answer_ms: number; readonly longest_without_commit_ms: number }> = []
  const step = async (name: string, replace: () => Promise<void>) => {
    for (const load of loads) load.lap()
    await replace()
    const before = loads.map(({ commits }) => commits())
    while (loads.some(({ commits }, i) => commits() < before[i]! + 3)) await new Promise((wait) => setTimeout(wait, 100))
    const laps = loads.map((load) => load.lap())
    steps.push({ step: name, longest_answer_ms: Math.round(Math.max(...laps.map(({ answer }) => answer))), longest_without_commit_ms: Math.round(Math.max(...laps.map(({ commit }) => commit))) })
    say(`${at()}: ${JSON.stringify(steps.at(-1))}`)
  }
  await cluster.whole()
  for (const server of cluster.servers) {
    await step(server.name, async () => {
      const binary = join(world.dir, `nats-server-${server.name}`)
      copyFileSync(world.secrets["NATS_SERVER"]!, binary)
      await server.stop()
      server.replace(binary, "\nwrite_deadline: \"20s\"\n")
      await server.start()
      await cluster.whole()
    })
  }
  for (const [i, process] of hosted.entries()) {
    await step(process.name, async () => {
      await process.stop()
      versions[i]!.maestra = maestra
      await process.start()
    })
  }
  await step("admin", async () => {
    await cluster.admin.stop()
    admin.maestra = maestra
    await cluster.admin.start()
  })
  await Promise.all(loads.map((load) => load.stop()))
  const { digest, doubled, problems } = await whole(tenant, hosted[0], locals, settleMs)
  const acknowledged = loads.flatMap((load) => load.acknowledged)
  const all = [...hosted, ...locals]
  const lost = (await Promise.all(all.map((backend) => missing(backend, tenant, acknowledged)))).flat()
  const digests = await Promise.all(all.map(async (backend) => (await digestOf(backend, tenant)).digest))
  const result = { from: values.from ?? null, acknowledged: acknowledged.length, lost: lost.length, doubled: doubled.length, problems: problems.length, digests_equal: digests.every((one) => one === digest), steps }
  tell(result, values.out)
  process.exitCode = result.lost === 0 && result.doubled === 0 && result.problems === 0 && result.digests_equal ? 0 : 1
} finally {
  await world.close()
  await cluster.close()
}
