/**
 * A cluster under continuous load while its parts are killed: three servers, two hosted processes, the admin role, four
 * locals of two users. Every ten seconds one server or process, chosen by the seed, is killed with SIGKILL and started
 * again after a moment. Then everything must be there once, and the same everywhere.
 *
 * `npm run cluster -- [--minutes 10] [--seed 1] [--out FILE]`; exit code 0: as expected.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { makeCluster } from "../support/cluster.ts"
import { whole } from "../support/load.ts"
import { agreed, digestOf, makeWorld } from "../support/world.ts"
import { missing, writing } from "../support/writing.ts"
import { random } from "../property/projections/rig.ts"

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, seed: { type: "string", default: "1" }, out: { type: "string" } } })
const minutes = Number(values.minutes)
const seed = Number(values.seed)
const say = (line: string) => void process.stdout.write(`${line}\n`)
const sleep = (ms: number) => new Promise((wait) => setTimeout(wait, ms))
const killEveryMs = 10_000
const partitions = 4
const settleMs = 120_000
/** What a person may wait for an answer, in milliseconds. */
const stallMax = 5000

const began = performance.now()
const at = () => `${((performance.now() - began) / 1000).toFixed(1)} s`
const dice = random(seed)
const world = await makeWorld()
const cluster = await makeCluster(world, partitions)
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
  /** Longest waits in the ten seconds after a kill, in milliseconds, by what was killed: `h` is a hosted process. */
  const byKind: Record<string, { answer: number; commit: number }> = {}
  const until = performance.now() + minutes * 60_000
  while (performance.now() < until) {
    const next = performance.now() + killEveryMs
    const part = dice.pick(parts)
    const before = loads.map(({ load }) => load.acknowledged.length)
    await part.kill()
    await sleep(200 + dice.below(2500))
    await part.start()
    kills.push(part.name)
    await sleep(Math.max(0, next - performance.now()))
    const kind = part.name.replace(/\d$/, "").replace(/-$/, "")
    for (const { load } of loads) {
      const { answer, commit } = load.lap()
      const worst = byKind[kind] ??= { answer: 0, commit: 0 }
      byKind[kind] = { answer: Math.max(worst.answer, Math.round(answer)), commit: Math.max(worst.commit, Math.round(commit)) }
    }
    say(`${at()}: killed ${part.name}; writes since ${loads.map(({ load }, i) => load.acknowledged.length - before[i]!).join(" ")}; longest answer ${longestOf("answer")} ms, longest without a commit ${longestOf("commit")} ms`)
  }
  await Promise.all(loads.map(({ load }) => load.stop()))
  say(`${at()}: load ended; waiting for all to agree`)

  const result = { seed, minutes, kills: kills.length, acknowledged: 0, lost: 0, doubled: 0, problems: 0, longest_answer_ms: longestOf("answer"), longest_without_commit_ms: longestOf("commit"), by_kind: byKind, digests_equal: true }
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
  say(JSON.stringify(result))
  say([
    `${result.acknowledged} acknowledged writes through ${result.kills} kills: ${result.lost} lost, ${result.doubled} doubled, ${result.problems} problems in any chain, digests ${result.digests_equal ? "equal" : "NOT EQUAL"}`,
    `longest wait for a write's answer: ${result.longest_answer_ms} ms`,
    `longest time between two commits of one local that hosted acknowledged: ${result.longest_without_commit_ms} ms (a new leader of a stream is elected by nats-server after 4 to 9 s)`
  ].join("\n"))
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`)
  process.exitCode = result.lost === 0 && result.doubled === 0 && result.problems === 0 && result.digests_equal && result.longest_answer_ms < stallMax ? 0 : 1

  function longestOf(what: "answer" | "commit") {
    return Math.round(Math.max(...loads.map(({ load }) => load.longest[what])))
  }
} finally {
  await world.close()
  await cluster.close()
}
