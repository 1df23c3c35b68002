import { Clock, Effect, Option } from "effect"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { diskCredentials, type HubSecrets } from "../../nats/hubSecrets.ts"
import { renderAccounts, renderServerConfig } from "../../nats/hubConfig.ts"
import { clusterCertificates } from "../../security/certificates.ts"
import type { MasterKey } from "../../security/keyFile.ts"
import { replaceFile } from "../../security/replaceFile.ts"
import { type Deployment, openDeployment, openMasterKey, writeCluster } from "../Deployment.ts"
import { loadRevocations } from "../Revocations.ts"
import { watchText } from "./watchDisk.ts"
import { addressesOf, ClusterRefused, type ClusterLayout, layoutFile, leafUrlsOf, logsIn, readLayout, replicasOnCluster, serverOptions } from "./layout.ts"

/**
 * Make a cluster in a folder: the deployment's keys under the master key, three configurations, certificates for the
 * routes, and `cluster.json`. Where there is one already it stays as it is; asked for another number of partitions or
 * other machines, it is refused.
 *
 * `layout.json` is written last: before it nothing was made, and a run that was cut short is simply repeated.
 */
export const initCluster = Effect.fn("cluster.init")(function*(dir: string, wanted: ClusterLayout, asked: { readonly partitions: boolean; readonly hosts: boolean }) {
  const held = yield* readLayout(dir)
  if (Option.isSome(held)) {
    if (asked.partitions && held.value.partitions !== wanted.partitions) return yield* fixed(dir, `it has ${held.value.partitions} partitions`)
    const hosts = (layout: ClusterLayout) => layout.servers.map(({ host }) => host).join(", ")
    if (asked.hosts && hosts(held.value) !== hosts(wanted)) return yield* fixed(dir, `its servers are on ${hosts(held.value)}`)
    return { layout: held.value, changed: false }
  }
  yield* attempt(dir, () => mkdir(dir, { recursive: true, mode: 0o700 }))
  const masterKey = yield* openMasterKey(dir)
  const deployment = yield* openDeployment(dir, masterKey)
  yield* writeServers(dir, wanted, deployment.hub, yield* Clock.currentTimeMillis)
  yield* writeJoining(dir, wanted, masterKey, deployment)
  yield* attempt(dir, () => replaceFile(layoutFile(dir), `${JSON.stringify(wanted, null, 2)}\n`))
  return { layout: wanted, changed: true }
})

const writeServers = Effect.fnUntraced(function*(dir: string, layout: ClusterLayout, secrets: HubSecrets, now: number) {
  const certificates = clusterCertificates(layout.servers.map(({ host }) => [host]), now)
  for (const [index, server] of layout.servers.entries()) {
    const own = join(dir, server.name)
    const { cert, key } = certificates.servers[index]!
    const files = {
      "nats.conf": yield* renderServerConfig(serverOptions(layout, dir, server)),
      "route-ca.pem": certificates.ca,
      "route.pem": cert,
      "route.key": key,
      // what runs beside this server to watch its disk
      "disk.creds": (yield* diskCredentials(secrets, server.name)).creds,
      "disk.json": watchText(layout, dir, server)
    }
    yield* attempt(own, async () => {
      await mkdir(own, { recursive: true, mode: 0o700 })
      for (const [name, text] of Object.entries(files)) await replaceFile(join(own, name), text)
    })
  }
  // none, but where a backup was put here first
  yield* writeAccounts(dir, layout, secrets, yield* loadRevocations(dir))
})

/** `cluster.json`: what hosted processes join with. */
export const writeJoining = (dir: string, layout: ClusterLayout, masterKey: MasterKey, deployment: Deployment & { readonly hub: HubSecrets }) => {
  const [first, ...others] = addressesOf(layout)
  return writeCluster(dir, masterKey, deployment, { servers: [first!, ...others], leafUrls: leafUrlsOf(layout), replicas: replicasOnCluster, partitions: layout.partitions })
}

/** The accounts as each server starts with them, and everything known to be revoked. */
export const writeAccounts = Effect.fnUntraced(function*(dir: string, layout: ClusterLayout, secrets: HubSecrets, revocations: Readonly<Record<string, number>>) {
  const text = yield* renderAccounts(secrets, { logs: logsIn(layout), revocations })
  for (const { name } of layout.servers) yield* attempt(dir, () => replaceFile(join(dir, name, "accounts.conf"), `${text}\n`))
})

const fixed = (dir: string, why: string) =>
  new ClusterRefused({ why: `there is a cluster in ${dir} already, and ${why}`, hint: "That is fixed when a cluster is made. Leave the option out to keep it, or make another one with --data-dir." })

const attempt = <A>(dir: string, write: () => Promise<A>) =>
  Effect.tryPromise({ try: write, catch: (cause) => new ClusterRefused({ why: `${dir} cannot be written: ${cause instanceof Error ? cause.message : "unknown reason"}`, hint: "See who owns the folder and whether the disk is full." }) })
