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
  /** Keep the identity that is to follow, with new pairs for which `stand` signs; the one that is kept already, where there is one. */
  readonly prepare: (stand: (pairs: KeyPairs) => Promise<Identity>) => Promise<OwnIdentity>
  /** Be the prepared one from here on: the one or the other, whatever happens meanwhile. */
  readonly adopt: () => Promise<void>
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

/** An identity as a keychain of texts holds it. `identity` is there once its keys were replaced: its id is made of the first. */
interface Kept {
  readonly platform: string
  readonly createdAt: string
  readonly signing: string
  readonly signingPublic: string
  readonly wrap: string
  readonly wrapPublic: string
  readonly identity?: Identity
}

const names = { identity: "identity", next: "identity-next", session: "session-key" } as const

/** Keys as texts in a keychain. They leave it into WebCrypto only, where they cannot be exported again. */
export const keychainVault = (keychain: SecureStorage): Vault => {
  // importing a key takes about a millisecond, and this is asked for with every request
  let read: { readonly text: string; readonly own: Promise<OwnIdentity> } | undefined
  const open = (text: string): Promise<OwnIdentity> => {
    if (read?.text !== text) read = { text, own: ownOf(JSON.parse(text) as Kept) }
    return read.own
  }
  return {
    identity: async (platform, createdAt) => {
      const held = await keychain.get(names.identity)
      if (held !== undefined) return open(held)
      const pairs = await generateKeyPairs(true)
      await keychain.set(names.identity, JSON.stringify({ platform, createdAt, ...await textsOf(pairs) } satisfies Kept))
      return identityOf(platform, createdAt, pairs)
    },
    prepare: async (stand) => {
      const held = await keychain.get(names.next)
      if (held !== undefined) return ownOf(JSON.parse(held) as Kept)
      const pairs = await generateKeyPairs(true)
      const identity = await stand(pairs)
      await keychain.set(names.next, JSON.stringify({ platform: "", createdAt: identity.created_at, ...await textsOf(pairs), identity } satisfies Kept))
      return { identity, pairs }
    },
    adopt: async () => {
      const next = await keychain.get(names.next)
      if (next === undefined) return
      await keychain.set(names.identity, next)
      await keychain.delete(names.next)
    },
    keepSessionKey: (key) => keychain.set(names.session, toBase64url(key)),
    sessionKey: async () => {
      const bytes = fromBase64url(await keychain.get(names.session) ?? "")
      return bytes === undefined || bytes.length === 0 ? undefined : importSessionKey(bytes)
    },
    forgetSessionKey: () => keychain.delete(names.session)
  }
}

const textsOf = async ({ signing, wrap }: KeyPairs) => ({
  signing: await exportPrivateKey(signing.privateKey), signingPublic: signing.publicPem,
  wrap: await exportPrivateKey(wrap.privateKey), wrapPublic: wrap.publicPem
})

const ownOf = async (kept: Kept): Promise<OwnIdentity> => {
  const pairs = {
    signing: { privateKey: await importPrivateKey(kept.signing, "signing"), publicPem: kept.signingPublic },
    wrap: { privateKey: await importPrivateKey(kept.wrap, "wrap"), publicPem: kept.wrapPublic }
  }
  return kept.identity === undefined ? identityOf(kept.platform, kept.createdAt, pairs) : { identity: kept.identity, pairs }
}

interface KeptKeys {
  readonly platform: string
  readonly createdAt: string
  readonly pairs: KeyPairs
  readonly identity?: Identity
}

const keys = { identity: "keys/identity", next: "keys/next", session: "keys/session" } as const

/** Keys as CryptoKeys that cannot be exported, in a storage that can hold such: IndexedDB. A page's script can use them, never read them. */
export const cryptoKeyVault = (storage: Storage): Vault => ({
  identity: (platform, createdAt) =>
    storage.alone("identity", async () => {
      const held = await storage.read(keys.identity) as KeptKeys | undefined
      if (held !== undefined) return held.identity === undefined ? identityOf(held.platform, held.createdAt, held.pairs) : { identity: held.identity, pairs: held.pairs }
      const pairs = await generateKeyPairs(false)
      await storage.write([[keys.identity, { platform, createdAt, pairs } satisfies KeptKeys]])
      return identityOf(platform, createdAt, pairs)
    }),
  prepare: (stand) =>
    storage.alone("identity", async () => {
      const held = await storage.read(keys.next) as Required<KeptKeys> | undefined
      if (held !== undefined) return { identity: held.identity, pairs: held.pairs }
      const pairs = await generateKeyPairs(false)
      const identity = await stand(pairs)
      await storage.write([[keys.next, { platform: "", createdAt: identity.created_at, pairs, identity } satisfies KeptKeys]])
      return { identity, pairs }
    }),
  adopt: () =>
    storage.alone("identity", async () => {
      const next = await storage.read(keys.next)
      if (next !== undefined) await storage.write([[keys.identity, next], [keys.next, undefined]])
    }),
  keepSessionKey: async (key) => storage.write([[keys.session, await importSessionKey(key)]]),
  sessionKey: async () => await storage.read(keys.session) as CryptoKey | undefined,
  forgetSessionKey: () => storage.write([[keys.session, undefined]])
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
