import { randomBytes } from "node:crypto"
import { type FileHandle, mkdir, open, rename, stat, unlink } from "node:fs/promises"
import { dirname } from "node:path"

/**
 * Put new content in a file's place: whole or not at all, durable when it returns, readable by its owner only. Its owner
 * is the folder's, also where root writes: a command run beside a service must leave nothing that the service cannot read.
 * Folders that are missing are made, for their owner only. Rejects with Node's error; the old content is then still there.
 */
export const replaceFile = async (path: string, content: Uint8Array | string): Promise<void> => {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString("hex")}.tmp`
  try {
    const file = await open(draft, "wx", 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
      await giveToOwner(file, folder)
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (cause) {
    await unlink(draft).catch(() => {})
    throw cause
  }
  await syncFolder(folder)
}

const giveToOwner = async (file: FileHandle, folder: string): Promise<void> => {
  if (process.getuid?.() !== 0) return
  const { gid, uid } = await stat(folder)
  // a root that may not do that leaves it as it is
  if (uid !== 0) await file.chown(uid, gid).catch(() => {})
}

/** A renamed file is durable once its folder is. Windows has no such thing and does not need it. */
const syncFolder = async (folder: string): Promise<void> => {
  if (process.platform === "win32") return
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
