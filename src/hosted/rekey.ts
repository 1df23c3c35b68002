import { Effect, Result, Schema } from "effect"
import { access, mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { holdDirectory } from "../nats/storeLock.ts"
import { whyOf } from "../observing/startErrors.ts"
import { fromBase64url, toBase64url } from "../security/digest.ts"
import { type MasterKey, rekeyFile } from "../security/keyFile.ts"
import { decryptUnder, encryptUnder, type SecretKey } from "../security/secretKey.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { adminFolder, layoutFile } from "./cluster/layout.ts"
import { ClusterJson, clusterContext } from "./Deployment.ts"
import { noteForAudit } from "./toAudit.ts"

/** The master key was not changed, or not in every file. What was changed opens under the new one: give both keys and do it again. */
export class RekeyRefused extends Schema.TaggedError<RekeyRefused>()("RekeyRefused", { why: Schema.String, hint: Schema.String }) {}

const refuse = (why: string, hint: string) => new RekeyRefused({ why, hint })

/**
 * Everything of a data directory that lies under the master key, under another one from here on: `keys.json`, which holds
 * the key of the tenant store, and `cluster.json`. Each file is replaced whole; stopped in between, the same again goes
 * on, because what opens under the new key already is left as it is. Returns the files.
 */
export const rekey = Effect.fn("rekey")(function*(dataDir: string, { from, to }: { readonly from: MasterKey; readonly to: MasterKey }) {
  if (!(yield* holdAll(dataDir))) return yield* refuse(`a hosted process or the admin role runs on ${dataDir}`, "Stop it first, start it with the new key afterwards.")
  const keys = join(dataDir, "keys.json")
  yield* rekeyFile(keys, from, to).pipe(Effect.mapError((error) => refuse(whyOf(error, ""), error.hint)))
  const files = [keys, ...yield* rekeyCluster(join(dataDir, "cluster.json"), from.key, to.key)]
  yield* noteForAudit(dataDir, "rekey")
  return files
}, Effect.scoped)

/** A cluster's folder belongs to its admin role. */
const holdAll = Effect.fnUntraced(function*(dataDir: string) {
  const own = adminFolder(dataDir)
  const folder = yield* Effect.promise(() => access(layoutFile(dataDir)).then(() => mkdir(own, { recursive: true, mode: 0o700 }).then(() => own), () => dataDir))
  return yield* holdDirectory(folder)
})

const rekeyCluster = Effect.fnUntraced(function*(file: string, from: SecretKey, to: SecretKey): Effect.fn.Return<ReadonlyArray<string>, RekeyRefused> {
  const text = yield* Effect.promise(() => readFile(file, "utf8").catch(() => undefined))
  if (text === undefined) return []
  const cluster = Schema.decodeResult(ClusterJson)(text)
  if (Result.isFailure(cluster)) return yield* refuse(`${file} cannot be read`, "It is written anew at the next start of the hub's owner; remove it there.")
  const bytes = fromBase64url(cluster.success.deployment) ?? new Uint8Array()
  if (Result.isSuccess(decryptUnder(to, bytes, clusterContext))) return [file]
  const opened = decryptUnder(from, bytes, clusterContext)
  if (Result.isFailure(opened)) return yield* refuse(`${file} is under another key than the present one`, "Give the key it was made with.")
  const next = { ...cluster.success, deployment: toBase64url(encryptUnder(to, opened.success, clusterContext)) }
  yield* Effect.tryPromise({ try: () => replaceFile(file, `${JSON.stringify(next, null, 2)}\n`), catch: () => refuse(`${file} cannot be written`, "Make room and do it again.") })
  return [file]
})
