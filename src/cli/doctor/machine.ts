import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { accessSync, constants, existsSync, statSync } from "node:fs"
import { statfs } from "node:fs/promises"
import { dirname, join } from "node:path"
import { freePort } from "../serving/ports.ts"
import { size } from "../../../streams/size.ts"
import { whyOf } from "../../observing/startErrors.ts"
import type { KeyFileSecret } from "../../security/keyFile.ts"
import { runningIn } from "../backend.ts"
import type { Side } from "../settings.ts"
import type { Check } from "./backends.ts"

const nodeMajorMin = 24
/** Less than this and the journal refuses new writes soon. */
const diskFailBytes = 200 * 1024 ** 2
const diskWarnBytes = 2 * 1024 ** 3

/** What this machine must have before any backend runs: in the folders of both sides. */
export const checkMachine = Effect.fnUntraced(function*({ hosted, local }: Readonly<Record<Side, string>>) {
  return [checkNode(), yield* checkServer, checkFolder(local), yield* checkDisk(local), ...yield* checkPorts(local), yield* checkKeystore(local), yield* checkMasterKey(hosted)]
})

const checkNode = (): Check => {
  const major = Number(process.versions.node.split(".")[0])
  return major >= nodeMajorMin
    ? { level: "ok", name: "node", detail: process.versions.node }
    : { level: "fail", name: "node", detail: `${process.versions.node}, ${nodeMajorMin} is needed`, todo: "Run `npm ci` in the checkout, which brings it along, and start with `npx maestra`." }
}

/** Looks, and fetches nothing: the steps that would are pointed at nothing. */
const checkServer = Effect.gen(function*() {
  const { findServer } = yield* Effect.promise(() => import("../../nats/binary.ts"))
  const { debianPackage } = yield* Effect.promise(() => import("../../nats/serverPackage.ts"))
  const found = yield* Effect.result(findServer({ say: () => Effect.void, platform: "none", package: { ...debianPackage, aptGet: "" } }))
  const check: Check = found._tag === "Success"
    ? { level: "ok", name: "nats-server", detail: `${found.success.version}, ${found.success.path} (${found.success.source})` }
    : found.failure._tag === "ServerTooOld"
    ? { level: "fail", name: "nats-server", detail: `${found.failure.path} is ${found.failure.version}, too old`, todo: found.failure.hint }
    : { level: "warn", name: "nats-server", detail: "none here yet", todo: "`maestra local up` fetches one; or set NATS_SERVER to one that is new enough." }
  return check
})

/** The folder, or the nearest one above that exists. */
const standing = (dir: string): string => existsSync(dir) || dirname(dir) === dir ? dir : standing(dirname(dir))

const checkFolder = (dir: string): Check => {
  const name = "data folder"
  try {
    accessSync(standing(dir), constants.W_OK | constants.X_OK)
  } catch {
    return { level: "fail", name, detail: `${dir} cannot be written`, todo: "Choose another with --data-dir or MAESTRA_DATA_DIR, or mend its permissions." }
  }
  if (!existsSync(dir)) return { level: "ok", name, detail: `${dir}, made at the first start` }
  const isOpen = (statSync(dir).mode & 0o077) !== 0
  return isOpen
    ? { level: "warn", name, detail: `${dir} is open to other users`, todo: `chmod 700 ${dir}` }
    : { level: "ok", name, detail: dir }
}

/** Room on the disk under a backend's folder. */
export const checkDisk = (dir: string, name = "disk") =>
  Effect.promise(async (): Promise<Check> => {
    const { bavail, bsize } = await statfs(standing(dir))
    const free = bavail * bsize
    const detail = `${size(free)} free`
    const todo = "Make room: a full disk refuses new writes (nothing written is lost)."
    return free < diskFailBytes ? { level: "fail", name, detail, todo } : free < diskWarnBytes ? { level: "warn", name, detail, todo } : { level: "ok", name, detail }
  })

const checkPorts = Effect.fnUntraced(function*(dir: string) {
  const port = yield* Config.Port("MAESTRA_LOCAL_PORT").pipe(Config.withDefault(8825), Effect.orElseSucceed(() => 8825))
  if (Option.isSome(yield* runningIn(dir))) return []
  const free = yield* Effect.exit(freePort(port, "--port"))
  const check: Check = Exit.isSuccess(free)
    ? { level: "ok", name: "port", detail: `${port} is free` }
    : { level: "warn", name: "port", detail: `${port} is taken by another program`, todo: "Start with `maestra local up --port 0`, or stop that program." }
  return [check]
})

const checkKeystore = Effect.fnUntraced(function*(dir: string) {
  const { passphraseSetting } = yield* Effect.promise(() => import("../../security/chooseKeystore.ts"))
  const { openKeychain } = yield* Effect.promise(() => import("../../security/keychain.ts"))
  const read = yield* Effect.exit(passphraseSetting)
  if (Exit.isFailure(read)) {
    const unreadable: Check = { level: "fail", name: "keys", detail: "the passphrase cannot be read", todo: hintOf(read.cause) }
    return unreadable
  }
  if (Option.isSome(read.value)) {
    const { lostKeys } = yield* Effect.promise(() => import("../../security/identityPlace.ts"))
    const isLost = existsSync(join(dir, "identity.json")) && !existsSync(join(dir, "keystore.json"))
    const opens = yield* opensFile("keys", join(dir, "keystore.json"), { kind: "passphrase", passphrase: read.value.value.secret, from: read.value.value.from })
    const check: Check = opens ?? (isLost
      ? { level: "fail", name: "keys", detail: `${join(dir, "keystore.json")} is gone, and this machine's keys with it`, todo: `If they are in the OS keychain, start without MAESTRA_KEYSTORE_PASSPHRASE. ${lostKeys(dir)}` }
      : { level: "ok", name: "keys", detail: `an encrypted file, opened with the passphrase in ${read.value.value.from}` })
    return check
  }
  const opened = yield* Effect.exit(openKeychain())
  const isRunning = Option.isSome(yield* runningIn(dir))
  const check: Check = Exit.isSuccess(opened)
    ? { level: "ok", name: "keys", detail: "the keychain of this system" }
    : isRunning
    ? { level: "warn", name: "keys", detail: "the running backend has them; a start from this shell would not", todo: "Set MAESTRA_KEYSTORE_PASSPHRASE before the next start." }
    : { level: "fail", name: "keys", detail: "the keychain of this system does not work", todo: hintOf(opened.cause) }
  return check
})

const checkMasterKey = Effect.fnUntraced(function*(dir: string) {
  const { masterKeyFromEnvironment } = yield* Effect.promise(() => import("../../security/masterKey.ts"))
  const read = yield* Effect.exit(masterKeyFromEnvironment)
  const opens = Exit.isSuccess(read) && Option.isSome(read.value) ? yield* opensFile("master key", join(dir, "keys.json"), read.value.value) : undefined
  const check: Check = opens ?? (Exit.isSuccess(read)
    ? { level: "ok", name: "master key", detail: Option.match(read.value, { onNone: () => "for hosted only; kept with the other keys", onSome: ({ from }) => `given in ${from}` }) }
    : { level: "fail", name: "master key", detail: "what was given is not one", todo: hintOf(read.cause) })
  return check
})

/** Why a secret does not open the file it is for; nothing where it does, or there is none yet. */
const opensFile = Effect.fnUntraced(function*(name: string, file: string, secret: KeyFileSecret) {
  const { openKeyFile } = yield* Effect.promise(() => import("../../security/keyFile.ts"))
  const opened = yield* Effect.result(openKeyFile(file, secret))
  const check: Check | undefined = opened._tag === "Success" ? undefined : { level: "fail", name, detail: whyOf(opened.failure, ""), todo: opened.failure.hint }
  return check
})

const hintOf = (cause: Cause.Cause<{ readonly hint: string } | Error>): string => {
  const error = Cause.squash(cause)
  return typeof error === "object" && error !== null && "hint" in error ? String(error.hint) : "Set MAESTRA_KEYSTORE_PASSPHRASE to use an encrypted file."
}
