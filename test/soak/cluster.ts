/**
 * A cluster under continuous load while its parts are killed: three servers, two hosted processes, the admin role, four
 * locals of two users. Every ten seconds one server or process, chosen by the seed, is killed with SIGKILL and started
 * again after a moment. Then everything must be there once, and the same everywhere.
 *
 * `npm run cluster -- --help` tells the flags. With disk and partition among its faults, servers also lose their disks and are
 * cut off from everybody else, which needs root on Linux.
 */
import { makeCluster, serverUsers } from "../support/cluster.ts"
import { clusterKinds } from "../support/faults/clusterKinds.ts"
import { enterOwnNetwork, lineLacks, openIsolation } from "../support/faults/line.ts"
import { whole } from "../support/load.ts"
import { flagsOf, misused, say, stopsOnSignals, tell } from "../support/script.ts"
import { agreed, digestOf, makeWorld } from "../support/world.ts"
import { missing, writing } from "../support/writing.ts"
import { random } from "../property/projections/rig.ts"

const { faults, minutes, out, seed } = flagsOf("cluster", [
  "A cluster of three servers, two hosted processes and four locals under load; every ten seconds a part is struck.",
  "Exit code 0: nothing lost or doubled, digests equal, no write waited for 5 s. Ctrl-C ends the faults, and what was written is judged."
].join("\n"), {
  minutes: { default: 10, value: "N", says: "how long parts are struck" },
  seed: { default: 1, value: "N", says: "which part, and how" },
  faults: { default: "kill", value: "LIST", says: `out of ${clusterKinds.map(({ kind }) => kind).join(", ")}` },
  out: { default: null, value: "FILE", says: "write the result there too" }
})
const sleep = (ms: number) => new Promise<void>((wait) => setTimeout(wait, ms))
const killEveryMs = 10_000
const partitions = 4
const settleMs = 120_000
/** What a person may wait for an answer, in milliseconds. */
const stallMax = 5000

const wanted = faults.split(",")
const kinds = clusterKinds.filter(({ kind }) => wanted.includes(kind))
const unknown = wanted.filter((name) => !clusterKinds.some(({ kind }) => kind === name))
if (unknown.length > 0) misused("cluster", `no such fault: ${unknown.join(", ")}; there are ${clusterKinds.map(({ kind }) => kind).join(", ")}`)
const needsLine = kinds.some((kind) => kind.needsLine)
const lacks = needsLine ? lineLacks() : undefined
if (lacks !== undefined) misused("cluster", `no partition here: ${lacks}`)
if (needsLine) enterOwnNetwork()

let over = false
const began = performance.now()
const at = () => `${((performance.now() - began) / 1000).toFixed(1)} s`
const dice = random(seed)
const world = await makeWorld()
const isolation = needsLine ? openIsolation(serverUsers) : undefined
const cluster = await makeCluster(world, partitions, undefined, undefined, needsLine)
stopsOnSignals({ ask: () => { over = true }, close: () => Promise.all([world.close(), cluster.close()]) })
try {
  const hosted = []
  for (const name of ["h1", "h2"]) hosted.push(await world.hosted(name, { cluster: cluster.file, args: ["--syncs-per-minute", "1000000"] }))
  const [h1, h2] = hosted as [typeof hosted[0], typeof hosted[0]]
  const users = []
  for (const [user, names] of [["ada", ["a", "b"]], ["bob", ["c", "d"]]] as const) {
    const locals = []
    let tenant = ""
    for (const name of names) {
      const local = await world.local(name)
      tenant = await world.pair(name < "c" ? h1 : h2, local, user)
      locals.push(local)
    }
    users.push({ user, tenant, locals })
  }
  const locals = users.flatMap(({ locals }) => locals)
  for (const { locals, tenant } of users) await agreed(tenant, h1, locals, settleMs)
  say(`${at()}: in step; seed ${seed}, ${minutes} min, ${partitions} partitions`)

  const loads = locals.map((local) => ({ local, load: writing(local) }))
  const parts = [...cluster.servers, ...hosted, cluster.admin]
  const kills: Array<string> = []
  /** Longest waits in the ten seconds after a kill, in milliseconds, by what happened: `h` is a hosted process that was killed. */
  const byKind: Record<string, { answer: number; commit: number }> = {}
  const until = performance.now() + minutes * 60_000
  while (!over && performance.now() < until) {
    const next = performance.now() + killEveryMs
    const before = loads.map(({ load }) => load.acknowledged.length)
    let draw = dice.below(kinds.reduce((sum, { weight }) => sum + weight, 0))
    const { kind: name, strike } = kinds.find(({ weight }) => (draw -= weight) < 0)!
    const what = await strike({ cluster, parts, isolation, dice, sleep })
    kills.push(what)
    await sleep(Math.max(0, next - performance.now()))
    const kind = name === "kill" ? what.replace(/^killed /, "").replace(/\d$/, "").replace(/-$/, "") : name
    for (const { load } of loads) {
      const { answer, commit } = load.lap()
      const worst = byKind[kind] ??= { answer: 0, commit: 0 }
      byKind[kind] = { answer: Math.max(worst.answer, Math.round(answer)), commit: Math.max(worst.commit, Math.round(commit)) }
    }
    say(`${at()}: ${what}; writes since ${loads.map(({ load }, i) => load.acknowledged.length - before[i]!).join(" ")}; longest answer ${longestOf("answer")} ms, longest without a commit ${longestOf("commit")} ms`)
  }
  await Promise.all(loads.map(({ load }) => load.stop()))
  say(`${at()}: load ended; waiting for all to agree`)

  const result = { seed, minutes: Math.round((performance.now() - began) / 6000) / 10, faults: kills.length, acknowledged: 0, lost: 0, doubled: 0, problems: 0, longest_answer_ms: longestOf("answer"), longest_without_commit_ms: longestOf("commit"), by_kind: byKind, digests_equal: true }
  for (const { locals, tenant, user } of users) {
    const { digest, doubled, problems } = await whole(tenant, h1, locals, settleMs)
    const acknowledged = loads.filter(({ local }) => locals.includes(local)).flatMap(({ load }) => load.acknowledged)
    for (const backend of [h1, h2, ...locals]) {
      const lost = await missing(backend, tenant, acknowledged)
      if (lost.length > 0) say(`${backend.name} lacks ${lost.length} of ${user}: ${JSON.stringify(lost.slice(0, 3))}`)
      result.lost += lost.length
      if ((await digestOf(backend, tenant)).digest !== digest) result.digests_equal = false
    }
    result.acknowledged += acknowledged.length
    result.doubled += doubled.length
    result.problems += problems.length
  }
  say([
    `${result.acknowledged} acknowledged writes through ${result.faults} faults: ${result.lost} lost, ${result.doubled} doubled, ${result.problems} problems in any chain, digests ${result.digests_equal ? "equal" : "NOT EQUAL"}`,
    `longest wait for a write's answer: ${result.longest_answer_ms} ms`,
    `longest time between two commits of one local that hosted acknowledged: ${result.longest_without_commit_ms} ms (a new leader of a stream is elected by nats-server after 4 to 9 s)`
  ].join("\n"))
  tell(result, out)
  process.exitCode = result.lost === 0 && result.doubled === 0 && result.problems === 0 && result.digests_equal && result.longest_answer_ms < stallMax ? 0 : 1

  function longestOf(what: "answer" | "commit") {
    return Math.round(Math.max(...loads.map(({ load }) => load.longest[what])))
  }
} finally {
  await world.close()
  await cluster.close()
}
