import { Config, Effect, Option, Redacted, Schema } from "effect"
import { readFile } from "node:fs/promises"

/** The file a secret was to be read from cannot be read. Nothing was started; mend its path or its permissions. */
export class SecretUnreadable extends Schema.TaggedError<SecretUnreadable>()("SecretUnreadable", { file: Schema.String, hint: Schema.String }) {}

/** A secret, and where it was found, as it is called to whoever put it there. */
export interface Given {
  readonly secret: Redacted.Redacted<string>
  readonly from: string
}

/**
 * A secret from outside: the text in `NAME`, else that of the file `NAME_FILE` names, without white space around it.
 * Service managers hand secrets over as files only their service can read (`LoadCredential`, mounted Secrets), so that
 * they stand in no environment. Empty counts as not set.
 */
export const secretSetting = (name: string): Effect.Effect<Option.Option<Given>, SecretUnreadable | Config.ConfigError> =>
  Effect.gen(function*() {
    const given = yield* Config.option(Config.Redacted(name))
    if (Option.isSome(given) && Redacted.value(given.value) !== "") return Option.some({ secret: given.value, from: name })
    const file = yield* Config.String(`${name}_FILE`).pipe(Config.withDefault(""))
    if (file === "") return Option.none()
    const text = yield* Effect.tryPromise({
      try: () => readFile(file, "utf8"),
      catch: () => new SecretUnreadable({ file, hint: `${name}_FILE names ${file}, which cannot be read. Mend the path or the permissions; nothing was started.` })
    })
    const secret = text.trim()
    return secret === ""
      ? yield* new SecretUnreadable({ file, hint: `${name}_FILE names ${file}, which is empty. Put the secret into it; nothing was started.` })
      : Option.some({ secret: Redacted.make(secret), from: `${file} (${name}_FILE)` })
  })
