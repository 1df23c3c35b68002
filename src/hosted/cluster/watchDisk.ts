import { Duration, Effect, Result, Schedule, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { connect } from "../../nats/connect.ts"
import { tellDisk } from "../../nats/serverDisks.ts"
import { addressesOf, ClusterRefused, type ClusterLayout, type ClusterServer, serverOptions } from "./layout.ts"

/** `disk.json`: whose disk it is, where it is, and whom to tell. */
const Watch = Schema.Struct({ server: Schema.String, folder: Schema.String, servers: Schema.NonEmptyArray(Schema.String) })
const WatchJson = Schema.fromJsonString(Watch)

/** What `disk.json` says for one server of a cluster. */
export const watchText = (layout: ClusterLayout, dir: string, server: ClusterServer): string => {
  const [first, ...others] = addressesOf(layout)
  const watch: typeof Watch.Type = { server: server.name, folder: dirname(serverOptions(layout, dir, server).storeDir), servers: [first!, ...others] }
  return `${JSON.stringify(watch, null, 2)}\n`
}

/**
 * Beside one nats-server of a cluster: tell hosted processes how much room its disk has, for ever. It holds no key but
 * the one that may tell this.
 */
export const watchDisk = Effect.fn("cluster.watchDisk")(function*(folder: string) {
  const text = yield* read(join(folder, "disk.json"))
  const creds = yield* read(join(folder, "disk.creds"))
  const watch = Schema.decodeResult(WatchJson)(text)
  if (Result.isFailure(watch)) return yield* new ClusterRefused({ why: `${join(folder, "disk.json")} cannot be read`, hint: "Copy it again from where the cluster was made." })
  const { server, servers } = watch.success
  const wire = yield* connect({ server: servers, auth: { creds }, name: `disk of ${server}` }).pipe(Effect.retry(Schedule.spaced(Duration.seconds(2))), Effect.orDie)
  return yield* tellDisk(wire, server, watch.success.folder)
}, Effect.scoped)

const read = (file: string) =>
  Effect.tryPromise({ try: () => readFile(file, "utf8"), catch: () => new ClusterRefused({ why: `${file} cannot be read`, hint: "Give the folder of one server as `maestra hosted cluster init` made it, with --in." }) })
