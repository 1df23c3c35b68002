import { Effect, Option, Redacted, Result, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { partitionsMax } from "../../streams/definitions.ts"
import { serviceCredentials, HubSecrets, makeHubSecrets, PeersSigner, peersSigner } from "../nats/hubSecrets.ts"
import { BackendIdentity, loadIdentity } from "../security/BackendIdentity.ts"
import { keystoreLayer } from "../security/chooseKeystore.ts"
import { fromBase64url, toBase64url } from "../security/digest.ts"
import { keptText } from "../security/keptText.ts"
import { type MasterKey, openKeyFile } from "../security/keyFile.ts"
import { Keystore, NoKeystore, WrongMasterKey } from "../security/Keystore.ts"
import { makeOne, masterKeyFromEnvironment, masterKeyFromKeystore, masterKeyMissing } from "../security/masterKey.ts"
import { decryptUnder, encryptUnder, newSecretKey, type SecretKey, secretKey } from "../security/secretKey.ts"
import { hostedBackendId } from "../security/peerId.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"
import type { StoreKeys } from "./storeKey.ts"

/** A file of the deployment cannot be read. Nothing was changed or made anew. */
export class DeploymentUnreadable extends Schema.TaggedError<DeploymentUnreadable>()("DeploymentUnreadable", { file: Schema.String, hint: Schema.String }) {}

/** What every process of one hosted deployment shares. */
export interface Deployment {
  readonly id: string
  readonly identity: BackendIdentity["Service"]
  /** Issues leafs. */
  readonly signer: PeersSigner
  /** Only the admin role has it: revocations in the account, new service credentials. */
  readonly hub: HubSecrets | undefined
}

/** The deployment in its own folder: everything is in it. */
export interface WholeDeployment extends Deployment {
  readonly hub: HubSecrets
  /** What the records of the tenant store are encrypted under. */
  readonly storeKeys: StoreKeys
}

/** Accounts of the deployment's own key file, beside the identity's. */
const accounts = { hub: "deployment/hub", store: "deployment/store-key", previousStore: "deployment/previous-store-key" }

const SecretsJson = Schema.fromJsonString(HubSecrets)

/** The master key: from the environment, else kept in the keystore (and made there at the first start). */
export const openMasterKey = Effect.fn("openMasterKey")(function*(dataDir: string) {
  const given = yield* masterKeyFromEnvironment
  if (Option.isSome(given)) return given.value
  const id = yield* deploymentId(join(dataDir, "deployment-id"))
  const fresh = yield* isMissing(join(dataDir, "keys.json"))
  return yield* keptMasterKey(id, dataDir, fresh)
})

/** The master key of a deployment that exists: from the environment, else from the keystore; never a new one. */
export const masterKeyOf = Effect.fn("masterKeyOf")(function*(id: string, dataDir: string) {
  const given = yield* masterKeyFromEnvironment
  return Option.isSome(given) ? given.value : yield* keptMasterKey(id, dataDir, false)
})

/** Keep another master key where the present one is kept; nowhere, where that is given from outside. */
export const keepMasterKey = Effect.fn("keepMasterKey")(function*(dataDir: string, next: MasterKey) {
  if (Option.isSome(yield* masterKeyFromEnvironment)) return false
  const id = yield* deploymentId(join(dataDir, "deployment-id"))
  yield* Keystore.use((keystore) => keystore.set(`${hostedBackendId(id)}/master`, Redacted.make(toBase64url(next.key.export())))).pipe(
    Effect.provide(keystoreLayer({ file: join(dataDir, "keystore.json") })))
  return true
})

const keptMasterKey = (id: string, dataDir: string, mayCreate: boolean) => {
  const account = `${hostedBackendId(id)}/master`
  return masterKeyFromKeystore({ account, mayCreate }).pipe(
    Effect.provide(keystoreLayer({ file: join(dataDir, "keystore.json") })),
    // it needs no keychain but for this one key
    Effect.catchTag("NoKeystore", ({ why }) =>
      Effect.fail(mayCreate ? new NoKeystore({ why, hint: `Set MAESTRA_MASTER_KEY (or MAESTRA_MASTER_KEY_FILE to a file with it), and keep a copy of the key elsewhere. ${makeOne}` }) : masterKeyMissing(account))))
}

/** The deployment kept in this data directory; made at its first start, never replaced. */
export const openDeployment = Effect.fn("openDeployment")(function*(dataDir: string, masterKey: MasterKey) {
  const id = yield* deploymentId(join(dataDir, "deployment-id"))
  const keystore = yield* openKeyFile(join(dataDir, "keys.json"), masterKey)
  const hub = yield* kept(keystore, accounts.hub, Effect.map(makeHubSecrets, (secrets) => JSON.stringify(secrets)))
  const store = yield* kept(keystore, accounts.store, Effect.sync(() => toBase64url(newSecretKey().export())))
  const secrets = yield* Schema.decodeEffect(SecretsJson)(hub).pipe(Effect.mapError(() => unreadable(join(dataDir, "keys.json"))))
  const identity = yield* identityOf(dataDir, id).pipe(Effect.provideService(Keystore, keystore))
  const previous = Option.getOrUndefined(yield* keystore.get(accounts.previousStore))
  return {
    id, identity,
    storeKeys: { current: secretKey(fromBase64url(store)!), previous: previous === undefined ? undefined : secretKey(fromBase64url(Redacted.value(previous))!) },
    signer: peersSigner(secrets), hub: secrets
  } satisfies WholeDeployment
})

/** Keep other keys of the tenant store in their place. The old ones are in no file any more when this returns. */
export const keepStoreKeys = Effect.fn("keepStoreKeys")(function*(dataDir: string, masterKey: MasterKey, { current, previous }: StoreKeys) {
  const keystore = yield* openKeyFile(join(dataDir, "keys.json"), masterKey)
  const put = (account: string, key: SecretKey) => keystore.set(account, Redacted.make(toBase64url(key.export())))
  // the old one first: a crash in between leaves a key that opens what is there
  if (previous !== undefined) yield* put(accounts.previousStore, previous)
  yield* put(accounts.store, current)
  if (previous === undefined) yield* keystore.delete(accounts.previousStore)
})

/** Keep the hub's secrets in their place: another signing key, or one less in its grace. */
export const keepHubSecrets = Effect.fn("keepHubSecrets")(function*(dataDir: string, masterKey: MasterKey, secrets: HubSecrets) {
  const keystore = yield* openKeyFile(join(dataDir, "keys.json"), masterKey)
  yield* keystore.set(accounts.hub, Redacted.make(JSON.stringify(secrets)))
})

const identityOf = (dataDir: string, id: string) =>
  loadIdentity({
    backendId: hostedBackendId(id),
    backendType: "hosted",
    capabilities: ["commit.v1", "leaf", "companions"],
    file: join(dataDir, "identity.json")
  })

const kept = Effect.fnUntraced(function*(keystore: Keystore["Service"], account: string, make: Effect.Effect<string>) {
  const stored = yield* keystore.get(account)
  if (Option.isSome(stored)) return Redacted.value(stored.value)
  const made = yield* make
  yield* keystore.set(account, Redacted.make(made))
  return made
})

const deploymentId = (file: string) =>
  Effect.tryPromise({ try: () => keptText(file, () => randomBytes(16).toString("hex")), catch: () => unreadable(file) })

/** One that is there and cannot be read is not missing: no new key is made over it. */
const isMissing = (file: string) => Effect.promise(() => readIfThere(file).then((text) => text === undefined, () => false))

const unreadable = (file: string) => new DeploymentUnreadable({ file, hint: `${file} cannot be read. Put a copy back; nothing was changed.` })

/**
 * What one more hosted process needs to join: where the cluster is, and the deployment, encrypted under the
 * master key. It holds no operator keys: a process that joins cannot change accounts. Nor the key of the tenant store,
 * which other processes hand over: a copy of this file must not outlive an erasure that destroys it.
 */
const Cluster = Schema.Struct({
  servers: Schema.NonEmptyArray(Schema.String),
  leaf_urls: Schema.Array(Schema.String),
  replicas: Schema.Int,
  /** How many streams the log is spread over; one without it. Fixed when the cluster is made. */
  partitions: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: partitionsMax }))),
  /** Who signed the servers' certificates, as PEM, where they speak TLS and it is nobody the system knows. */
  ca: Schema.optionalKey(Schema.String),
  deployment: Schema.String
})
export type Cluster = typeof Cluster.Type

const Joined = Schema.Struct({
  id: Schema.String,
  signing: Schema.String,
  wrap: Schema.String,
  identity: Schema.String,
  signer: PeersSigner,
  creds: Schema.String,
  inbox_prefix: Schema.String
})
const JoinedJson = Schema.fromJsonString(Joined)
export const ClusterJson = Schema.fromJsonString(Cluster)
export const clusterContext = "cluster"

/** Write `cluster.json`, which `maestra hosted up --cluster FILE` reads. Secret by encryption; mode 0600 all the same. */
export const writeCluster = Effect.fn("writeCluster")(function*(dataDir: string, masterKey: MasterKey, deployment: Deployment & { readonly hub: HubSecrets }, where: { readonly servers: readonly [string, ...Array<string>]; readonly leafUrls: ReadonlyArray<string>; readonly replicas: number; readonly partitions?: number; readonly ca?: string }) {
  const keystore = yield* openKeyFile(join(dataDir, "keys.json"), masterKey)
  const secret = (kind: string) => Effect.map(keystore.get(`${deployment.identity.identity.backend_id}/${kind}`), (found) => Option.isSome(found) ? Redacted.value(found.value) : "")
  const service = yield* serviceCredentials(deployment.hub)
  const joined: typeof Joined.Type = {
    id: deployment.id,
    signing: yield* secret("signing"),
    wrap: yield* secret("wrap"),
    identity: JSON.stringify(deployment.identity.identity),
    signer: deployment.signer,
    creds: service.creds,
    inbox_prefix: service.inboxPrefix
  }
  const cluster: Cluster = {
    servers: where.servers,
    leaf_urls: where.leafUrls,
    replicas: where.replicas,
    ...(where.partitions === undefined ? {} : { partitions: where.partitions }),
    ...(where.ca === undefined ? {} : { ca: where.ca }),
    deployment: toBase64url(encryptUnder(masterKey.key, JSON.stringify(joined), clusterContext))
  }
  yield* Effect.promise(() => replaceFile(join(dataDir, "cluster.json"), `${JSON.stringify(cluster, null, 2)}\n`))
})

/** Join what `cluster.json` describes, keeping the deployment's identity in this process's own data directory. */
export const joinCluster = Effect.fn("joinCluster")(function*(dataDir: string, masterKey: MasterKey, file: string) {
  const text = yield* Effect.tryPromise({ try: () => readFile(file, "utf8"), catch: () => unreadable(file) })
  const cluster = yield* Schema.decodeEffect(ClusterJson)(text).pipe(Effect.mapError(() => unreadable(file)))
  const bytes = fromBase64url(cluster.deployment)
  const opened = bytes === undefined ? undefined : decryptUnder(masterKey.key, bytes, clusterContext)
  if (opened === undefined || Result.isFailure(opened)) {
    return yield* new WrongMasterKey({ file, from: masterKey.from, hint: "Set MAESTRA_MASTER_KEY (or MAESTRA_MASTER_KEY_FILE to a file with it) to the key the deployment that file is of runs under." })
  }
  const joined = yield* Schema.decodeEffect(JoinedJson)(opened.success).pipe(Effect.mapError(() => unreadable(file)))
  const keystore = yield* openKeyFile(join(dataDir, "keys.json"), masterKey)
  const backendId = hostedBackendId(joined.id)
  yield* keystore.set(`${backendId}/signing`, Redacted.make(joined.signing))
  yield* keystore.set(`${backendId}/wrap`, Redacted.make(joined.wrap))
  yield* Effect.promise(() => replaceFile(join(dataDir, "identity.json"), `${JSON.stringify(JSON.parse(joined.identity), null, 2)}\n`))
  const identity = yield* identityOf(dataDir, joined.id).pipe(Effect.provideService(Keystore, keystore))
  const deployment: Deployment = { id: joined.id, identity, signer: joined.signer, hub: undefined }
  return { deployment, cluster, creds: joined.creds, inboxPrefix: joined.inbox_prefix }
})
