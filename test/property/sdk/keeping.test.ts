// Goal: what a surface keeps survives it, whole, and its keys stay where they were put.
// Method: the storages and vaults themselves, opened again; a keychain module of the shape phones have.
import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileKeychain, fileStorage } from "../../../src/sdk/typescript/node/fileStorage.ts"
import { type KeychainModule, reactNativeKeychain } from "../../../src/sdk/typescript/reactNativeKeychain.ts"
import { memoryStorage } from "../../../src/sdk/typescript/storage.ts"
import { cryptoKeyVault, keychainVault, memoryKeychain, type SecureStorage } from "../../../src/sdk/typescript/vault.ts"

const inFolder = async (run: (folder: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), "maestra-sdk-"))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe("storages", () => {
  it("write all or nothing, list by prefix in order, and are there when opened again", () =>
    inFolder(async (folder) => {
      for (const [open, lasts] of [[() => fileStorage(folder), true], [memoryStorage, false]] as const) {
        const storage = open()
        await storage.write([["own/2", { b: 2 }], ["own/1", { a: 1 }], ["meta", "m"]])
        await storage.write([["meta", undefined]])
        for (const held of lasts ? [storage, open()] : [storage]) {
          assert.deepStrictEqual(await held.list("own/"), [["own/1", { a: 1 }], ["own/2", { b: 2 }]])
          assert.isUndefined(await held.read("meta"))
        }
      }
      assert.strictEqual(statSync(join(folder, "maestra.json")).mode & 0o777, 0o600)
    }))

  it("let one at a time through, over two that share a folder", () =>
    inFolder(async (folder) => {
      const both = [fileStorage(folder), fileStorage(folder)]
      await both[0]!.write([["count", 0]])
      await Promise.all(Array.from({ length: 20 }, (_, i) => both[i % 2]!.alone("book", async () => {
        const count = await both[i % 2]!.read("count")
        await both[i % 2]!.write([["count", Number(count) + 1]])
      })))
      assert.strictEqual(await both[0]!.read("count"), 20)
    }))

  it("a failure inside a turn is the caller's, and the next one goes on", async () => {
    const storage = memoryStorage()
    const failed = await storage.alone("x", () => Promise.reject(new Error("no"))).catch((cause: Error) => cause.message)
    assert.deepStrictEqual([failed, await storage.alone("x", async () => "yes")], ["no", "yes"])
  })
})

/** The phone's module over a map: what it is given, by service. */
const phone = () => {
  const held = new Map<string, { readonly password: string; readonly accessible: string | undefined }>()
  const module: KeychainModule = {
    ACCESSIBLE: { AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY: "AccessibleAfterFirstUnlockThisDeviceOnly" },
    setGenericPassword: async (_, password, { accessible, service }) => {
      held.set(service, { password, accessible })
      return { service }
    },
    getGenericPassword: async ({ service }) => held.get(service) ?? false,
    resetGenericPassword: async ({ service }) => held.delete(service)
  }
  return { held, module }
}

describe("vaults", () => {
  const reopened = async (keychain: SecureStorage) => {
    const made = await keychainVault(keychain).identity("ios", "2026-11-22T10:00:00.000Z")
    const again = await keychainVault(keychain).identity("other", "2027-01-01T00:00:00.000Z")
    assert.deepStrictEqual(again.identity, made.identity)
    assert.isFalse(again.pairs.signing.privateKey.extractable)
    await keychainVault(keychain).keepSessionKey(new Uint8Array(32))
    assert.isFalse((await keychainVault(keychain).sessionKey())?.extractable)
    return made
  }

  it("make an identity once: in memory, in files of this user alone", () =>
    inFolder(async (folder) => {
      await reopened(memoryKeychain())
      await reopened(fileKeychain(folder))
      assert.strictEqual(statSync(join(folder, "identity.secret")).mode & 0o777, 0o600)
    }))

  it("on a phone they stay on this device", async () => {
    const { held, module } = phone()
    await reopened(reactNativeKeychain(module))
    assert.deepStrictEqual([...held.keys()].sort(), ["com.8825.maestra.identity", "com.8825.maestra.session-key"])
    assert.isTrue([...held.values()].every(({ accessible }) => accessible === "AccessibleAfterFirstUnlockThisDeviceOnly"))
    await reactNativeKeychain(module).delete("identity")
    assert.isUndefined(await reactNativeKeychain(module).get("identity"))
  })

  it("in a browser the keys cannot be exported at all", async () => {
    const held = new Map<string, unknown>()
    const storage = { ...memoryStorage(), read: async (key: string) => held.get(key), write: async (entries: ReadonlyArray<readonly [string, unknown]>) => entries.forEach(([key, value]) => held.set(key, value)) }
    const { identity, pairs } = await cryptoKeyVault(storage).identity("web", "2026-11-22T10:00:00.000Z")
    assert.deepStrictEqual((await cryptoKeyVault(storage).identity("web", "")).identity, identity)
    assert.isFalse(pairs.signing.privateKey.extractable || pairs.wrap.privateKey.extractable)
  })
})
