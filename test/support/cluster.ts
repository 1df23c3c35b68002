import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, existsSync, globSync, readFileSync, rmSync } from "node:fs"
import { createConnection } from "node:net"
import { join } from "node:path"
import { asUser } from "./faults/line.ts"
import type { SmallDisks } from "./smallDisks.ts"
import { maestra, ownGroup, run, until, type Version, type World } from "./world.ts"

/** A process of a cluster, to be killed and started again. */
export interface Part {
  readonly name: string
  readonly running: () => boolean
  readonly pid: () => number
  /** Started, and ready for what it is for. */
  readonly start: () => Promise<void>
  /** SIGTERM, and its end. */
  readonly stop: () => Promise<void>
  /** SIGKILL, and its end. */
  readonly kill: () => Promise<void>
  readonly log: () => string
}

export interface ServerPart extends Part {
  /** The user it runs as: our own, unless each has one of its own. */
  readonly uid: number
  readonly clientPort: number
  /** Started the next time by this binary, and with these lines in its configuration. */
  readonly replace: (binary: string, lines: string) => void
  /** Whether its store has such a folder. */
  readonly holds: (ending: string) => boolean
  /** Remove everything it has stored; while it is down. */
  readonly wipe: () => void
}

export interface Cluster {
  /** What hosted processes join by. */
  readonly file: string
  readonly dir: string
  readonly servers: ReadonlyArray<ServerPart>
  readonly admin: Part
  /** Wait until every copy of the log is whole, as `maestra hosted cluster status` says: then one server may go. */
  readonly whole: () => Promise<void>
  /** `maestra hosted cluster …`: what it answers; fails with what it says where its exit code is not 0. */
  readonly cli: <A>(...words: ReadonlyArray<string>) => Promise<A>
  readonly close: () => Promise<void>
}

interface Told {
  readonly cluster_file: string
  readonly dir: string
  readonly servers: ReadonlyArray<{ readonly name: string; readonly client_port: number }>
}

export const clusterHome = (world: World): string => join(world.dir, "hub")

/** What has no stdin to watch ends when this process does, however that ends; where the kernel can do that. */
const endsWithUs = existsSync("/usr/bin/setpriv") ? ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--"] : []

/** Users that are nobody: the servers', where each has one of its own. */
export const serverUsers = [60_001, 60_002, 60_003]

/** `maestra hosted cluster init`, then its three nats-servers, each a child of ours, and the admin role as a process of its own. */
export const makeCluster = async (world: World, partitions: number, disks?: SmallDisks, version: Version = { maestra }, ownUsers = false): Promise<Cluster> => {
  const home = clusterHome(world)
  const enter = disks?.enter ?? []
  const see = disks?.see ?? ((path: string) => path)
  const env = { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: home }
  const made = await run([...enter, version.maestra, "hosted", "cluster", "init", "--partitions", String(partitions), "--json"], env)
  if (made.code !== 0) throw new Error(`cluster init: ${made.err}`)
  const told: Told = JSON.parse(made.out)
  const servers = told.servers.map(({ client_port, name }, at): ServerPart => {
    const uid = ownUsers ? serverUsers[at]! : process.getuid?.() ?? 0
    const folder = join(told.dir, name)
    let binary = world.secrets["NATS_SERVER"]!
    const part = partOf({
      name,
      command: () => [...enter, ...(ownUsers ? asUser(uid) : []), ...endsWithUs, binary, "-c", join(folder, "nats.conf"), "-l", join(folder, "server.log")],
      env: {},
      isReady: () => greets(client_port),
      log: () => readFileSync(see(join(folder, "server.log")), "utf8")
    })
    const replace = (path: string, lines: string) => {
      binary = path
      appendFileSync(see(join(folder, "nats.conf")), lines)
    }
    return { ...part, uid, replace, clientPort: client_port, holds: (ending) => globSync(`store/jetstream/**/${ending}`, { cwd: folder }).length > 0, wipe: () => ["store", "jwt"].forEach((what) => rmSync(join(folder, what), { recursive: true, force: true })) }
  })
  const watches = disks === undefined ? [] : told.servers.map(({ name }) => {
    let said = ""
    return partOf({
      name: `disk of ${name}`,
      command: () => [...enter, ...endsWithUs, version.maestra, "hosted", "cluster", "disk", "--in", join(told.dir, name)],
      env: { ...process.env },
      isReady: () => said.includes("watching"),
      hear: (text) => { said += text },
      log: () => said
    })
  })
  let said = ""
  const admin = partOf({
    name: "admin",
    command: () => [version.maestra, "hosted", "cluster", "up", "--only", "admin"],
    env: { ...env, MAESTRA_PARENT_PIPE: "1" },
    isReady: () => said.includes("the cluster is running"),
    hear: (text) => { said += text },
    begin: () => { said = "" },
    log: () => said
  })
  await Promise.all(servers.map((server) => server.start()))
  await Promise.all([admin.start(), ...watches.map((watch) => watch.start())])
  const all = [admin, ...watches, ...servers]
  return {
    file: told.cluster_file, dir: told.dir, servers, admin,
    whole: async () => {
      let said = ""
      await until(async () => {
        const { code, err, out } = await run([version.maestra, "hosted", "cluster", "status", "--json"], env)
        said = out + err
        return code === 0
      }, readyWithinMs, () => `the copies do not become whole: ${said}`)
    },
    cli: async (...words) => {
      const { code, err, out } = await run([version.maestra, "hosted", "cluster", ...words, "--json"], env)
      if (code !== 0) throw new Error(`exit ${code}: ${err}${out}`)
      return JSON.parse(out)
    },
    close: async () => {
      for (const part of all) await part.kill()
    }
  }
}

const readyWithinMs = 120_000

const partOf = (what: {
  readonly name: string
  readonly command: () => ReadonlyArray<string>
  readonly env: NodeJS.ProcessEnv
  readonly isReady: () => Promise<boolean> | boolean
  readonly log: () => string
  readonly hear?: (text: string) => void
  readonly begin?: () => void
}): Part => {
  let child: ChildProcess | undefined
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null
  const end = async (signal: NodeJS.Signals) => {
    if (child === undefined || !running()) return
    const gone = once(child, "exit")
    child.kill(signal)
    await gone
  }
  return {
    name: what.name,
    running,
    pid: () => child?.pid ?? 0,
    log: what.log,
    start: async () => {
      if (!running()) {
        what.begin?.()
        const [program, ...words] = what.command()
        const started = child = spawn(program!, words, { env: what.env, stdio: ["pipe", "pipe", "pipe"], ...ownGroup })
        for (const stream of [started.stdout!, started.stderr!]) stream.on("data", (bytes: Buffer) => what.hear?.(bytes.toString()))
      }
      await until(async () => {
        if (!running()) throw new Error(`${what.name} ended while starting:\n${what.log().slice(-3000)}`)
        return await what.isReady()
      }, readyWithinMs, () => `${what.name} did not start:\n${what.log().slice(-3000)}`)
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL")
  }
}

const greets = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1")
    const answer = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.once("data", (bytes) => answer(String(bytes).startsWith("INFO")))
    socket.once("error", () => answer(false))
    socket.once("close", () => answer(false))
  })
