import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"

/** The leaf links' way through a network namespace of this run's own, which can be spoiled. */
export interface Line {
  /** Lose so many of a hundred packets, both ways, until the answer is called. */
  readonly lose: (percent: number) => () => void
  /** Let through so many kilobits a second, each way. */
  readonly limit: (kilobits: number) => () => void
}

/** Set where a run was started in a namespace of its own (`unshare -n`). */
export const ownNetwork = "MAESTRA_FAULTS_OWN_NETWORK"

const found = (name: string) => (process.env["PATH"] ?? "").split(":").concat("/usr/sbin", "/sbin").map((folder) => `${folder}/${name}`).find(existsSync)

/** What this machine lacks to spoil a line, or `undefined`: network namespaces are root's, and packets are nft's and tc's. */
export const lineLacks = (): string | undefined => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "not root on Linux"
  const missing = ["unshare", "ip", "nft", "tc"].filter((name) => found(name) === undefined)
  return missing.length === 0 ? undefined : `${missing.join(", ")} missing (Debian: util-linux, iproute2, nftables)`
}

const run = (name: string, ...args: ReadonlyArray<string>) => void execFileSync(found(name)!, args, { stdio: ["ignore", "ignore", "pipe"] })

/**
 * Become this program in a network and with mounts of its own, unless it is there already; then bring up its loopback. It
 * stays the same process, so that a signal to it reaches it.
 */
export const enterOwnNetwork = (): void => {
  if (process.env[ownNetwork] !== "1") {
    const lacks = lineLacks()
    if (lacks !== undefined) throw new Error(`no network of our own: ${lacks}`)
    process.execve!(found("unshare")!, ["unshare", "-n", "-m", process.execPath, ...process.argv.slice(1)], { ...process.env, [ownNetwork]: "1" })
  }
  // packets as small as a real line's
  run("ip", "link", "set", "lo", "mtu", "1500", "up")
}

/** `port`: of the link, where what is spoiled passes. */
export const openLine = (port: number): Line => {
  run("nft", "add table inet maestra")
  run("nft", "add chain inet maestra out { type filter hook output priority 0; }")
  const rules = (text: (side: string) => string): () => void => {
    for (const side of ["dport", "sport"]) run("nft", `add rule inet maestra out tcp ${side} ${port} ${text(side)}`)
    return () => run("nft", "flush chain inet maestra out")
  }
  return {
    lose: (percent) => rules(() => `numgen random mod 100 < ${percent} drop`),
    limit: (kilobits) => {
      run("tc", "qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb", "default", "1", "r2q", "100000")
      run("tc", "class", "add", "dev", "lo", "parent", "1:", "classid", "1:1", "htb", "rate", "10gbit", "quantum", "60000")
      run("tc", "class", "add", "dev", "lo", "parent", "1:", "classid", "1:20", "htb", "rate", "1gbit", "quantum", "60000")
      run("tc", "qdisc", "add", "dev", "lo", "parent", "1:20", "handle", "20:", "tbf", "rate", `${kilobits}kbit`, "burst", "16k", "latency", "400ms")
      const undo = rules(() => "meta priority set 1:20")
      return () => {
        undo()
        run("tc", "qdisc", "del", "dev", "lo", "root")
      }
    }
  }
}

/** Processes that are told apart by the user they run as, and can be cut off from everybody. */
export interface Isolation {
  /** Nothing of this user's arrives anywhere, and nothing reaches it, until the answer is called. */
  readonly cutOff: (uid: number) => () => void
}

/** Mark every connection of these users from now on, whoever opened it: what is cut off later is known by its mark. */
export const openIsolation = (uids: ReadonlyArray<number>): Isolation => {
  run("nft", "add table inet apart")
  for (const chain of ["marks", "cuts"]) run("nft", `add chain inet apart ${chain} { type filter hook output priority ${chain === "marks" ? 0 : 1}; }`)
  for (const uid of uids) run("nft", `add rule inet apart marks meta skuid ${uid} ct mark set ${uid}`)
  return {
    cutOff: (uid) => {
      for (const what of ["ct mark", "meta skuid"]) run("nft", `add rule inet apart cuts ${what} ${uid} drop`)
      return () => run("nft", "flush chain inet apart cuts")
    }
  }
}

/** Run what follows as this user, who may open every file of ours. */
export const asUser = (uid: number): ReadonlyArray<string> => ["setpriv", "--reuid", String(uid), "--clear-groups", "--inh-caps", "+dac_override,+dac_read_search,+fowner", "--ambient-caps", "+dac_override,+dac_read_search,+fowner", "--"]
