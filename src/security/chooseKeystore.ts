import { Config, type Duration, Effect, Layer, Option, Redacted } from "effect"
import { keychainTimeout, openKeychain } from "./keychain.ts"
import { openKeyFile } from "./keyFile.ts"
import { Keystore, NoKeystore } from "./Keystore.ts"

/** Opens the encrypted key file. Empty counts as not set. */
export const passphraseConfig: Config.Config<Option.Option<Redacted.Redacted<string>>> = Config.option(
  Config.Redacted("MAESTRA_KEYSTORE_PASSPHRASE")
).pipe(Config.map(Option.filter((passphrase) => Redacted.value(passphrase) !== "")))

/**
 * Where this process keeps its keys: with `MAESTRA_KEYSTORE_PASSPHRASE` set the encrypted `file`, else the OS
 * keychain if it works, else nowhere: it refuses and says what to do.
 */
export const keystoreLayer = (options: { readonly file: string; readonly timeout?: Duration.Duration }) =>
  Layer.effect(
    Keystore,
    Effect.gen(function*() {
      const passphrase = yield* passphraseConfig
      if (Option.isSome(passphrase)) return yield* openKeyFile(options.file, { kind: "passphrase", passphrase: passphrase.value })
      return yield* openKeychain(options.timeout ?? keychainTimeout).pipe(
        Effect.catchTag("KeychainUnavailable", ({ hint, why }) => Effect.fail(new NoKeystore({ why, hint })))
      )
    })
  )
