import { type Duration, Effect, Layer, Option } from "effect"
import { keychainTimeout, openKeychain } from "./keychain.ts"
import { openKeyFile } from "./keyFile.ts"
import { Keystore, NoKeystore } from "./Keystore.ts"
import { secretSetting } from "./secretSetting.ts"

/** Opens the encrypted key file: `MAESTRA_KEYSTORE_PASSPHRASE`, or the file `MAESTRA_KEYSTORE_PASSPHRASE_FILE` names. */
export const passphraseSetting = secretSetting("MAESTRA_KEYSTORE_PASSPHRASE")

/**
 * Where this process keeps its keys: with `MAESTRA_KEYSTORE_PASSPHRASE` set the encrypted `file`, else the OS
 * keychain if it works, else nowhere: it refuses and says what to do.
 */
export const keystoreLayer = (options: { readonly file: string; readonly timeout?: Duration.Duration }) =>
  Layer.effect(
    Keystore,
    Effect.gen(function*() {
      const passphrase = yield* passphraseSetting
      if (Option.isSome(passphrase)) return yield* openKeyFile(options.file, { kind: "passphrase", passphrase: passphrase.value.secret, from: passphrase.value.from })
      return yield* openKeychain(options.timeout ?? keychainTimeout).pipe(
        Effect.catchTag("KeychainUnavailable", ({ hint, why }) => Effect.fail(new NoKeystore({ why, hint })))
      )
    })
  )
