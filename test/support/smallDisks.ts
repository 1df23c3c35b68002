import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Can this user mount a small disk of its own, in a namespace of its own? Containers often forbid it. */
export const canMount: boolean = process.platform === "linux" &&
  spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmpdir()], { stdio: "ignore" }).status === 0

/** The end of the title of what is left out where it cannot be done. */
export const cannotMount: string = canMount ? "" : " (skipped: no mounts of our own: unshare -rm is refused)"

/** Small disks that only the processes started with `enter` have, each on a folder. */
export interface SmallDisks {
  /** Command that runs its arguments where the disks are. */
  readonly enter: ReadonlyArray<string>
  /** A path on them, as a path for this process. */
  readonly see: (path: string) => string
  /** Not a byte more fits. */
  readonly fill: (disk: string) => void
  /** All but so many bytes are taken, at once. */
  readonly fillTo: (disk: string, left: number) => void
  readonly free: (disk: string) => void
  readonly freeBytes: (disk: string) => number
  readonly close: () => void
}

/** Large enough that a backend starts with room to spare. */
const sizeMiB = 192

/** Mount a tmpfs on each folder, in this order, in a new namespace that lives until `close`. */
export const makeSmallDisks = async (folders: ReadonlyArray<string>): Promise<SmallDisks> => {
  for (const folder of folders) mkdirSync(folder, { recursive: true })
  const mounts = folders.map((folder) => `mkdir -p '${folder}' && mount -t tmpfs -o size=${sizeMiB}m,mode=0700 tmpfs '${folder}'`)
  const holder = spawn("unshare", ["-rm", "sh", "-c", `${mounts.join(" && ")} && echo mounted && exec cat`], { stdio: ["pipe", "pipe", "inherit"] })
  await said(holder, "mounted")
  const see = (path: string) => join(`/proc/${holder.pid}/root`, path)
  return {
    enter: ["nsenter", "-t", String(holder.pid), "-U", "-m", "--preserve-credentials", "--"],
    see,
    fill: (disk) => fillDisk(see(disk)),
    fillTo: (disk, left) => void execFileSync("fallocate", ["-l", String(roomOf(see(disk)) - left), fillerOn(see(disk))]),
    free: (disk) => freeDisk(see(disk)),
    freeBytes: (disk) => roomOf(see(disk)),
    close: () => holder.stdin?.end()
  }
}

const fillerOn = (folder: string) => join(folder, "filler")

/** Not a byte more fits on the disk this folder is the root of. */
export const fillDisk = (folder: string): void => {
  // all at once where that works: whoever watches the disk should not see it coming
  spawnSync("fallocate", ["-l", String(Math.max(1, roomOf(folder) - 4096)), fillerOn(folder)], { stdio: "ignore" })
  const file = openSync(fillerOn(folder), "a")
  for (const bytes of [1024 * 1024, 4096, 1]) {
    const chunk = Buffer.alloc(bytes)
    try {
      for (;;) writeSync(file, chunk)
    } catch {
      // full: go on with smaller pieces
    }
  }
  closeSync(file)
}

export const freeDisk = (folder: string): void => rmSync(fillerOn(folder))

/** Mount a small disk on a folder, where this process has mounts of its own (`unshare -m`). Returns how to take it away. */
export const mountSmallDisk = (folder: string): () => void => {
  mkdirSync(folder, { recursive: true })
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m,mode=0700`, "tmpfs", folder])
  return () => void execFileSync("umount", [folder])
}

const roomOf = (path: string): number => {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

const said = (child: ChildProcess, word: string) =>
  new Promise<void>((done, failed) => {
    child.stdout?.on("data", (bytes: Buffer) => { if (bytes.toString().includes(word)) done() })
    child.once("exit", (code) => failed(new Error(`the disks were not mounted: ${code}`)))
  })
