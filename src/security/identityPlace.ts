import { readFile, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { DateTime, Effect, Option, Redacted, Result, Schema } from "effect"
import { Identity } from "../../streams/events/peer.ts"
import { Time } from "../../streams/ids.ts"
import { generateKeys, keyId, type KeyPair, publicKey, readPrivateKey } from "./keys.ts"
import { account, Keystore, type KeystoreError } from "./Keystore.ts"
import { replaceFile } from "./replaceFile.ts"

/** The private key kept here is not the one of the public identity. Nothing was changed; find out which of the two is right. */
export class IdentityMismatch extends Schema.TaggedError<IdentityMismatch>()("IdentityMismatch", { file: Schema.String, why: Schema.String, hint: Schema.String }) {}

/** The public identity is there, its private key is gone. No new one was made: others know the old one. */
export class PrivateKeyMissing extends Schema.TaggedError<PrivateKeyMissing>()("PrivateKeyMissing", { file: Schema.String, account: Schema.String, hint: Schema.String }) {}

/** The identity's file, or a key in the keystore, cannot be read or written. Nothing was replaced. */
export class IdentityUnreadable extends Schema.TaggedError<IdentityUnreadable>()("IdentityUnreadable", { where: Schema.String, why: Schema.String, hint: Schema.String }) {}

export type IdentityError = IdentityMismatch | PrivateKeyMissing | IdentityUnreadable | KeystoreError

/** An identity with its private keys, on its way into a keystore or to another process of the same deployment. */
export interface HeldKeys {
  readonly identity: Identity
  readonly signing: KeyPair
  readonly wrap: KeyPair
}

export interface IdentityOptions {
  readonly backendId: string
  readonly backendType: Identity["backend_type"]
  readonly capabilities: ReadonlyArray<string>
  /** Where the public part is kept: `identity.json` in the data directory. */
  readonly file: string
}

/** A key as the keystore holds it: under 2,000 bytes. */
const StoredKey = Schema.Struct({ v: Schema.Literal(1), created_at: Time, private_key: Schema.String })
const readStoredKey = Schema.decodeUnknownResult(Schema.fromJsonString(StoredKey))
const readIdentity = Schema.decodeUnknownResult(Schema.fromJsonString(Identity))

interface Kept {
  readonly pair: KeyPair
  readonly createdAt: string
}

/** Where keys that are not in force yet have their public part. */
const nextFile = (file: string): string => file.replace(/\.json$/, ".next.json")

/** An identity as its file holds it. */
export const textOf = (identity: Identity): string => `${JSON.stringify(identity, null, 2)}\n`

/**
 * How an identity in force gives way to another. The new private keys and the new public part lie beside the old ones
 * until the public part is replaced, in one step, which decides; what a crash leaves is put in order at the next start.
 */
export const placeOf = (options: IdentityOptions, keystore: Keystore["Service"]) => {
  const file = nextFile(options.file)
  const name = (kind: "signing" | "wrap" | "signing-next" | "wrap-next") => account(options.backendId, kind)
  const clear = Effect.all([
    Effect.promise(() => rm(file, { force: true })),
    keystore.delete(name("signing-next")),
    keystore.delete(name("wrap-next"))
  ], { discard: true })
  const prepare = Effect.fnUntraced(function*(next: HeldKeys) {
    const createdAt = yield* now
    yield* keystore.set(name("signing-next"), storedKey(next.signing, createdAt))
    yield* keystore.set(name("wrap-next"), storedKey(next.wrap, createdAt))
    yield* writePublicPart(file, textOf(next.identity))
  })
  return {
    prepare,
    clear,
    adopt: Effect.fnUntraced(function*(next: HeldKeys) {
      yield* prepare(next)
      yield* writePublicPart(options.file, textOf(next.identity))
      const createdAt = yield* now
      yield* keystore.set(name("signing"), storedKey(next.signing, createdAt))
      yield* keystore.set(name("wrap"), storedKey(next.wrap, createdAt))
      yield* clear
    }),
    /** What was prepared and is not in force; of what is, or cannot be, nothing is left behind. */
    finish: Effect.fnUntraced(function*(current: Identity): Effect.fn.Return<HeldKeys | undefined, IdentityError> {
      const next = yield* readPublicPart(options, file)
      if (Option.isNone(next)) return undefined
      const signing = yield* keptNext(keystore, name("signing-next"), next.value.public_key)
      const wrap = yield* keptNext(keystore, name("wrap-next"), next.value.wrap_key)
      if (next.value.public_key !== current.public_key && signing !== undefined && wrap !== undefined) return { identity: next.value, signing, wrap }
      yield* clear
      return undefined
    })
  }
}

const keptNext = Effect.fnUntraced(function*(keystore: Keystore["Service"], name: string, stated: string) {
  const stored = yield* keystore.get(name)
  const kept = Option.isSome(stored) ? yield* readKept(name, stored.value) : undefined
  return kept !== undefined && isPairOf(stated, kept.pair) ? kept.pair : undefined
})

const now: Effect.Effect<string> = Effect.map(DateTime.now, DateTime.formatIso)

export const readPublicPart = ({ backendId }: IdentityOptions, file: string) =>
  Effect.gen(function*() {
    const text = yield* Effect.promise(() =>
      readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => cause.code === "ENOENT" ? undefined : `unreadable: ${cause.code}`)
    )
    if (text === undefined) return Option.none<Identity>()
    const identity = readIdentity(text)
    if (Result.isFailure(identity)) {
      return yield* new IdentityUnreadable({ where: file, why: "it is not an identity", hint: `Put a copy of ${file} back. If the private keys are still in the keystore, deleting it is enough.` })
    }
    if (identity.success.backend_id !== backendId) {
      return yield* new IdentityMismatch({
        file,
        why: `it is the identity of ${identity.success.backend_id}, this is ${backendId}`,
        hint: `This data directory was copied from another machine. Start with an empty one and pair again, or go back to that machine.`
      })
    }
    return Option.some(identity.success)
  })

export const writePublicPart = (file: string, text: string) =>
  Effect.tryPromise({
    try: () => replaceFile(file, text),
    catch: (cause) =>
      new IdentityUnreadable({ where: file, why: cause instanceof Error ? cause.message : "unknown", hint: `Make the folder of ${file} writable.` })
  })

/** The key of that kind from the keystore; a new one only where nobody knows an old one. */
export const keptKey = Effect.fnUntraced(function*({ backendId, file }: IdentityOptions, kind: "signing" | "wrap", known: Option.Option<Identity>, stated: (identity: Identity) => string) {
  const keystore = yield* Keystore
  const name = account(backendId, kind)
  const stored = yield* keystore.get(name)
  if (Option.isSome(stored)) {
    const kept = yield* readKept(name, stored.value)
    if (Option.isNone(known) || isPairOf(stated(known.value), kept.pair)) return kept
    // stopped when the new public part was in place and its private keys were not
    const nextName = account(backendId, `${kind}-next`)
    const next = yield* keystore.get(nextName)
    const following = Option.isSome(next) ? yield* readKept(nextName, next.value) : undefined
    if (Option.isNone(next) || following === undefined || !isPairOf(stated(known.value), following.pair)) return yield* mismatch(file, kind)
    yield* keystore.set(name, next.value)
    return following
  }
  if (Option.isSome(known)) {
    const elsewhere = keystore.kind === "file"
      ? "If they were kept in the OS keychain, start without MAESTRA_KEYSTORE_PASSPHRASE."
      : "If they were kept in an encrypted file, set MAESTRA_KEYSTORE_PASSPHRASE."
    return yield* new PrivateKeyMissing({ file, account: name, hint: `The private keys of ${file} are not in the ${keystore.kind}. ${elsewhere} ${lostKeys(dirname(file))}` })
  }
  const pair = yield* generateKeys
  const createdAt = yield* now
  yield* keystore.set(name, storedKey(pair, createdAt))
  return { pair, createdAt } satisfies Kept
})

/** What is left to do where they are nowhere: it cannot come back as the device it was, and what was written here goes along. */
export const lostKeys = (dataDir: string): string =>
  `If they are lost, put a copy back; where there is none, have this device revoked, move identity.json and pairing.json out of ${dataDir} and start: it runs alone, with everything that was written here. ` +
  "`maestra export --out FILE`, then start with a new data directory (MAESTRA_DATA_DIR), pair that with a new code, and `maestra import FILE` there."

const storedKey = ({ privatePem }: KeyPair, createdAt: string) =>
  Redacted.make(JSON.stringify({ v: 1, created_at: createdAt, private_key: Redacted.value(privatePem) }))

const readKept = (name: string, secret: Redacted.Redacted<string>): Effect.Effect<Kept, IdentityUnreadable> => {
  const stored = readStoredKey(Redacted.value(secret))
  const pair = Result.isSuccess(stored) ? readPrivateKey(Redacted.make(stored.success.private_key)) : undefined
  // a parser's message would quote the key
  return Result.isSuccess(stored) && pair !== undefined && Result.isSuccess(pair)
    ? Effect.succeed({ pair: pair.success, createdAt: stored.success.created_at })
    : Effect.fail(new IdentityUnreadable({ where: name, why: "the keystore's entry is not a private key of ours", hint: "Put a copy of the keystore back, or revoke this device and pair again with an empty data directory." }))
}

const isPairOf = (publicPem: string, pair: KeyPair): boolean => {
  const stated = publicKey(publicPem)
  return Result.isSuccess(stated) && stated.success.id === keyId(pair.publicPem)
}

const mismatch = (file: string, kind: "signing" | "wrap") =>
  new IdentityMismatch({
    file,
    why: `its ${kind} key is not the one in the keystore`,
    hint: `${file} and the keystore are from different times or machines. Put the matching copy of one of them back; nothing was changed.`
  })
