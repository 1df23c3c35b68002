import { fromBase64url, toBase64url } from "../../security/portable/bytes.ts"
import { companionBackendId, exportPrivateKey, generateKeyPairs, importPrivateKey, type KeyPairs } from "../../security/portable/keys.ts"
import type { Identity } from "../../security/portable/proofs.ts"
import { importSessionKey } from "../../security/portable/sessionToken.ts"
import type { Storage } from "./storage.ts"

/** Who this surface is, and what only it can do. */
export interface OwnIdentity {
  readonly identity: Identity
  readonly pairs: KeyPairs
}

/** Where the private keys are kept, and the key of its sessions. */
export interface Vault {
  /** The identity kept here; made at first. */
  readonly identity: (platform: string, createdAt: string) => Promise<OwnIdentity>
  /** Keep the key that signs session tokens: K of a local backend's companion, S of a device. 32 bytes. */
  readonly keepSessionKey: (key: Uint8Array<ArrayBuffer>) => Promise<void>
  readonly sessionKey: () => Promise<CryptoKey | undefined>
  readonly forgetSessionKey: () => Promise<void>
}

/** A keychain of texts: Keychain on iOS, Keystore on Android, the desktop's own. */
export interface SecureStorage {
  readonly get: (name: string) => Promise<string | undefined>
  readonly set: (name: string, secret: string) => Promise<void>
  readonly delete: (name: string) => Promise<void>
}

const identityOf = async (platform: string, createdAt: string, pairs: KeyPairs): Promise<OwnIdentity> => ({
  pairs,
  identity: {
    backend_id: await companionBackendId(platform, pairs.signing.publicPem),
    backend_type: "companion",
    public_key: pairs.signing.publicPem,
    wrap_key: pairs.wrap.publicPem,
    capabilities: ["commit.v1"],
    version: "1.0",
    created_at: createdAt
  }
})

interface Kept {
  readonly platform: string
  readonly createdAt: string
  readonly signing: string
  readonly signingPublic: string
  readonly wrap: string
  readonly wrapPublic: string
}

const names = { identity: "identity", session: "session-key" } as const

/** Keys as texts in a keychain. They leave it into WebCrypto only, where they cannot be exported again. */
export const keychainVault = (keychain: SecureStorage): Vault => ({
  identity: async (platform, createdAt) => {
    const held = await keychain.get(names.identity)
    if (held === undefined) {
      const pairs = await generateKeyPairs(true)
      const kept: Kept = {
        platform, createdAt,
        signing: await exportPrivateKey(pairs.signing.privateKey), signingPublic: pairs.signing.publicPem,
        wrap: await exportPrivateKey(pairs.wrap.privateKey), wrapPublic: pairs.wrap.publicPem
      }
      await keychain.set(names.identity, JSON.stringify(kept))
      return identityOf(platform, createdAt, pairs)
    }
    const kept = JSON.parse(held) as Kept
    return identityOf(kept.platform, kept.createdAt, {
      signing: { privateKey: await importPrivateKey(kept.signing, "signing"), publicPem: kept.signingPublic },
      wrap: { privateKey: await importPrivateKey(kept.wrap, "wrap"), publicPem: kept.wrapPublic }
    })
  },
  keepSessionKey: (key) => keychain.set(names.session, toBase64url(key)),
  sessionKey: async () => {
    const bytes = fromBase64url(await keychain.get(names.session) ?? "")
    return bytes === undefined || bytes.length === 0 ? undefined : importSessionKey(bytes)
  },
  forgetSessionKey: () => keychain.delete(names.session)
})

interface KeptKeys {
  readonly platform: string
  readonly createdAt: string
  readonly pairs: KeyPairs
}

/** Keys as CryptoKeys that cannot be exported, in a storage that can hold such: IndexedDB. A page's script can use them, never read them. */
export const cryptoKeyVault = (storage: Storage): Vault => ({
  identity: (platform, createdAt) =>
    storage.alone("identity", async () => {
      const held = await storage.read("keys/identity") as KeptKeys | undefined
      if (held !== undefined) return identityOf(held.platform, held.createdAt, held.pairs)
      const pairs = await generateKeyPairs(false)
      await storage.write([["keys/identity", { platform, createdAt, pairs } satisfies KeptKeys]])
      return identityOf(platform, createdAt, pairs)
    }),
  keepSessionKey: async (key) => storage.write([["keys/session", await importSessionKey(key)]]),
  sessionKey: async () => await storage.read("keys/session") as CryptoKey | undefined,
  forgetSessionKey: () => storage.write([["keys/session", undefined]])
})

/** A keychain in memory, for tests. */
export const memoryKeychain = (): SecureStorage => {
  const held = new Map<string, string>()
  return {
    get: async (name) => held.get(name),
    set: async (name, secret) => {
      held.set(name, secret)
    },
    delete: async (name) => {
      held.delete(name)
    }
  }
}
