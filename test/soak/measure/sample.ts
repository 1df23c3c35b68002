import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Backend } from "../../support/world.ts"
import { profileAt } from "./profiled.ts"

/** One process as the kernel sees it. */
const processOf = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? Number.NaN)
  const megabytes = (name: string) => number(name) * 1024 / 1e6
  return { rss: megabytes("VmRSS"), anonymous: megabytes("RssAnon"), threads: number("Threads"), files: readdirSync(`/proc/${pid}/fd`).length }
}

/** Files and folders come and go while we count: what is gone counts nothing. */
const seen = <A>(look: () => A, gone: A): A => {
  try {
    return look()
  } catch {
    return gone
  }
}

const bytesUnder = (folder: string, is: (name: string) => boolean): number =>
  seen(() => readdirSync(folder, { withFileTypes: true }), [])
    .map((entry) => ({ entry, path: join(folder, entry.name) }))
    .reduce((sum, { entry, path }) => sum + (entry.isDirectory() ? bytesUnder(path, is) : is(path) ? seen(() => statSync(path).size, 0) : 0), 0)

/** What `insideProbe.ts` writes. */
interface Inside {
  readonly fibers: number
  readonly heapUsed: number
  readonly heapTotal: number
  readonly external: number
  readonly handles: number
}

/** Everything that could leak of one backend, by name. `profilePort`: where its nats-server answers Go's profiler. */
export const sampleOf = async (backend: Backend, probeFile: string, profilePort: number): Promise<Readonly<Record<string, number>>> => {
  const profile = await profileAt(profilePort)
  const agent = processOf(backend.pid())
  const server = processOf(backend.natsPid())
  const inside = existsSync(probeFile) ? JSON.parse(readFileSync(probeFile, "utf8")) as Inside : undefined
  return {
    "agent rss MB": agent.rss, "agent anonymous MB": agent.anonymous, "agent files": agent.files, "agent threads": agent.threads,
    ...(inside === undefined ? {} : {
      "agent fibers": inside.fibers, "agent handles": inside.handles,
      "agent heap in use MB": inside.heapUsed / 1e6, "agent heap held MB": inside.heapTotal / 1e6, "agent external MB": inside.external / 1e6
    }),
    "server rss MB": server.rss, "server heap in use MB": profile.heap / 1e6, "server blocks MB": profile.blocks / 1e6, "server goroutines": profile.goroutines, "server files": server.files, "server threads": server.threads
  }
}

/** Bytes on disk by folder: streams, tables, everything else. */
export const diskOf = (backend: Backend): Readonly<Record<string, number>> => ({
  streams: bytesUnder(join(backend.dir, "nats/store"), () => true),
  tables: bytesUnder(backend.dir, (file) => file.includes(".sqlite")),
  rest: bytesUnder(backend.dir, (file) => !file.includes(".sqlite") && !file.includes("nats/store"))
})
