import type { SecureStorage } from "./vault.ts"

/** The shape of the package `react-native-keychain`, as far as it is used: iOS Keychain, Android Keystore. */
export interface KeychainModule {
  setGenericPassword(username: string, password: string, options: { readonly service: string; readonly accessible?: string }): Promise<unknown>
  getGenericPassword(options: { readonly service: string }): Promise<false | { readonly password: string }>
  resetGenericPassword(options: { readonly service: string }): Promise<boolean>
  readonly ACCESSIBLE?: { readonly AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY?: string }
}

/**
 * The phone's own keychain. Secrets stay on this device: not in its backups, not in another phone restored from one,
 * and readable from its first unlock on, so that a sync in the background can sign.
 *
 * @example reactNativeKeychain(await import("react-native-keychain"))
 */
export const reactNativeKeychain = (keychain: KeychainModule, prefix = "com.8825.maestra"): SecureStorage => {
  const at = (name: string) => ({ service: `${prefix}.${name}` })
  const accessible = keychain.ACCESSIBLE?.AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY
  return {
    get: async (name) => {
      const held = await keychain.getGenericPassword(at(name))
      return held === false ? undefined : held.password
    },
    set: async (name, secret) => {
      const kept = await keychain.setGenericPassword(name, secret, { ...at(name), ...(accessible === undefined ? {} : { accessible }) })
      if (kept === false) throw new Error(`the keychain did not keep ${name}`)
    },
    delete: async (name) => {
      await keychain.resetGenericPassword(at(name))
    }
  }
}
