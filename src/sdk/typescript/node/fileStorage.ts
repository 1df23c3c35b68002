import { open, mkdir, readFile, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { type Entry, type Storage, turns } from "../storage.ts"
import type { SecureStorage } from "../vault.ts"

/** A lock file older than this was left by a process that was killed; holders renew theirs. Milliseconds. */
const leaseMillis = 10_000
const retryMillis = 25

/** One JSON file in a folder of this user's own, replaced whole; processes take turns by a lock file. For some megabytes. */
export const fileStorage = (folder: string): Storage => {
  const file = join(folder, "maestra.json")
  const inProcess = turns()
  const load = async (): Promise<Record<string, unknown>> => {
    const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return "{}"
      throw cause
    })
    return JSON.parse(text) as Record<string, unknown>
  }
  return {
    read: async (key) => (await load())[key],
    list: async (prefix) =>
      Object.entries(await load()).filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => a < b ? -1 : 1),
    write: (entries: ReadonlyArray<Entry>) =>
      inProcess("write", () => locked(folder, "write", async () => {
        const held = await load()
        for (const [key, value] of entries) {
          if (value === undefined) delete held[key]
          else held[key] = value
        }
        await replace(file, JSON.stringify(held))
      })),
    alone: (name, run) => inProcess(`alone-${name}`, () => locked(folder, name, run))
  }
}

/** The new content or the old, never a half; on the disk when it resolves. */
const replace = async (file: string, content: string): Promise<void> => {
  const draft = `${file}.${process.pid}.partial`
  const handle = await open(draft, "w", 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
}

const locked = async <A>(folder: string, name: string, run: () => Promise<A>): Promise<A> => {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lock = join(folder, `${name.replace(/[^a-z-]/g, "_")}.lock`)
  for (;;) {
    const handle = await open(lock, "wx", 0o600).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "EEXIST") return undefined
      throw cause
    })
    if (handle !== undefined) {
      const renewal = setInterval(() => void handle.utimes(Date.now() / 1000, Date.now() / 1000).catch(() => undefined), leaseMillis / 4)
      try {
        return await run()
      } finally {
        clearInterval(renewal)
        await handle.close()
        await rm(lock, { force: true })
      }
    }
    const held = await stat(lock).catch(() => undefined)
    if (held !== undefined && Date.now() - held.mtimeMs > leaseMillis) await rm(lock, { force: true })
    await new Promise((wait) => setTimeout(wait, retryMillis))
  }
}

/** Secrets as one file each, mode 0600, in a folder of this user's own: for servers and tests. A desktop has a keychain. */
export const fileKeychain = (folder: string): SecureStorage => {
  const at = (name: string) => join(folder, `${name.replace(/[^a-z-]/g, "_")}.secret`)
  return {
    get: (name) => readFile(at(name), "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined
      throw cause
    }),
    set: async (name, secret) => {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await replace(at(name), secret)
    },
    delete: (name) => rm(at(name), { force: true })
  }
}
