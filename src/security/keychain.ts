import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { extname } from "node:path"
import { fileURLToPath } from "node:url"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { KeychainLocked, keychainService, KeychainTimedOut, KeychainUnavailable, Keystore } from "./Keystore.ts"
import type { KeychainAnswer, KeychainJob, KeychainOutcome, KeychainRequest } from "./keychainProcess.ts"

/** A keychain answers in milliseconds; one that does not waits for a person. Long enough for a slow start of its daemon. */
export const keychainTimeout = Duration.seconds(5)

export type KeychainError = KeychainLocked | KeychainTimedOut | KeychainUnavailable

/** The same file compiled has the same name with another ending. */
const script = fileURLToPath(new URL(`./keychainProcess${extname(import.meta.url)}`, import.meta.url))

const locked = () => new KeychainLocked({ hint: "Unlock the keyring (log in to the desktop, or `gnome-keyring-daemon --unlock`), then start again." })
const timedOut = () =>
  new KeychainTimedOut({
    hint: "The keyring did not answer; it may be showing a password prompt. Unlock it, then start again. On a machine without a desktop set MAESTRA_KEYSTORE_PASSPHRASE to use an encrypted file."
  })
const unavailable = (why: string) =>
  new KeychainUnavailable({
    why,
    hint: "Start or install a keyring (gnome-keyring or KWallet, on a D-Bus session), or set MAESTRA_KEYSTORE_PASSPHRASE to use an encrypted file."
  })

/** The library has no error codes, only sentences. */
const errorOf = (message: string): KeychainError => /locked|dismissed/i.test(message) ? locked() : unavailable(message)

/** Several requests, in order, in one process that is killed when it takes too long. */
const ask = (requests: ReadonlyArray<KeychainRequest>, timeout: Duration.Duration): Effect.Effect<ReadonlyArray<KeychainAnswer>, KeychainError> =>
  Effect.callback<ReadonlyArray<KeychainAnswer>, KeychainError>((resume) => {
    const job: KeychainJob = { service: keychainService, requests }
    const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "ignore"], windowsHide: true })
    const chunks: Array<Buffer> = []
    child.on("error", () => resume(Effect.fail(unavailable("the helper process could not be started"))))
    child.on("close", () => resume(outcome(Buffer.concat(chunks).toString("utf8"))))
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
    // a child that died early makes the pipe fail too; `close` tells of it
    child.stdin.on("error", () => {})
    child.stdin.end(JSON.stringify(job))
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(timedOut()) }))

const outcome = (text: string): Effect.Effect<ReadonlyArray<KeychainAnswer>, KeychainError> => {
  if (text === "") return Effect.fail(unavailable("the helper process ended without an answer"))
  const said: KeychainOutcome = JSON.parse(text)
  return "answers" in said ? Effect.succeed(said.answers) : Effect.fail(errorOf(said.error))
}

/** A keychain may be readable and yet have nowhere to write: only writing, reading back and deleting shows that it works. */
const probe = (timeout: Duration.Duration) =>
  Effect.gen(function*() {
    const account = `probe/${randomBytes(8).toString("hex")}`
    const secret = randomBytes(16).toString("hex")
    const answers = yield* ask([{ op: "set", account, secret }, { op: "get", account }, { op: "delete", account }], timeout)
    if (answers[1] !== secret) return yield* unavailable("it does not give back what was put in")
  })

/** Open the OS keychain, having seen that it works. Each use takes about 100 ms. */
export const openKeychain = (timeout: Duration.Duration = keychainTimeout): Effect.Effect<Keystore["Service"], KeychainError> =>
  Effect.as(probe(timeout), Keystore.of({
    kind: "keychain",
    get: (account) =>
      Effect.map(ask([{ op: "get", account }], timeout), ([secret]) =>
        typeof secret === "string" ? Option.some(Redacted.make(secret)) : Option.none()),
    set: (account, secret) => Effect.asVoid(ask([{ op: "set", account, secret: Redacted.value(secret) }], timeout)),
    delete: (account) => Effect.map(ask([{ op: "delete", account }], timeout), ([deleted]) => deleted === true)
  }))

/** The OS keychain as the keystore. */
export const keychainLayer = (timeout: Duration.Duration = keychainTimeout): Layer.Layer<Keystore, KeychainError> =>
  Layer.effect(Keystore, openKeychain(timeout))
