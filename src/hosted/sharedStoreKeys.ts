import { Duration, Effect, Option, Queue, Result, Schema } from "effect"
import { v7 as uuidV7 } from "uuid"
import { subjects } from "../../streams/subjects.ts"
import type { Wired } from "../nats/connect.ts"
import { hear } from "../nats/hear.ts"
import { isOwnReply } from "../nats/hubSecrets.ts"
import { fromBase64url, toBase64url } from "../security/digest.ts"
import { decryptUnder, encryptUnder, type SecretKey, secretKey, secretKeyBytes } from "../security/secretKey.ts"
import type { RekeyedStore, StoreKeys } from "./storeKey.ts"

/** What is said between the processes of one deployment, encrypted under the master key, which all of them have. */
const Keys = Schema.fromJsonString(Schema.Struct({ current: Schema.String, previous: Schema.NullOr(Schema.String) }))
const context = "store-keys"
const patience = Duration.seconds(2)

/**
 * Who keeps the keys of the tenant store has them in a file; the other processes have them in memory alone, from that
 * one or from one another: so a key that is destroyed is nowhere.
 */
export const sharedStoreKeys = (wire: Wired, masterKey: SecretKey) => ({
  ask: wire.request(subjects.storeKeyWanted, new Uint8Array(), patience).pipe(Effect.option, Effect.map(Option.flatMap((bytes) => read(masterKey, bytes)))),
  tell: (keys: StoreKeys) => wire.publish(subjects.storeKeyTold, written(masterKey, keys)),
  /** Answer whoever asks, for ever. */
  answer: ({ keys }: Pick<RekeyedStore, "keys">) => wire.serve({
    subject: subjects.storeKeyWanted,
    // a name of its own: everybody answers, and the first answer counts
    queue: `storekey-${uuidV7()}`,
    mayAnswer: isOwnReply,
    handler: () => Effect.sync(() => written(masterKey, keys()))
  }),
  /** Take up what the keeper tells, for ever. */
  follow: ({ adopt }: Pick<RekeyedStore, "adopt">): Effect.Effect<never> =>
    Effect.scoped(Effect.flatMap(hear(wire, subjects.storeKeyTold), (told) =>
      Effect.forever(Effect.map(Queue.take(told), (bytes) => Option.map(read(masterKey, bytes), adopt)))))
})

const written = (masterKey: SecretKey, { current, previous }: StoreKeys): Uint8Array =>
  encryptUnder(masterKey, JSON.stringify({ current: toBase64url(current.export()), previous: previous === undefined ? null : toBase64url(previous.export()) }), context)

const read = (masterKey: SecretKey, bytes: Uint8Array): Option.Option<StoreKeys> => {
  const text = decryptUnder(masterKey, bytes, context)
  const told = Result.isSuccess(text) ? Schema.decodeOption(Keys)(text.success) : Option.none()
  return Option.flatMap(told, ({ current, previous }) => {
    const [now, before] = [keyOf(current), previous === null ? undefined : keyOf(previous)]
    return now === undefined || (previous !== null && before === undefined) ? Option.none() : Option.some({ current: now, previous: before })
  })
}

const keyOf = (text: string): SecretKey | undefined => {
  const bytes = fromBase64url(text)
  return bytes?.length === secretKeyBytes ? secretKey(bytes) : undefined
}
