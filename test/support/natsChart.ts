import { Effect } from "effect"
import { accountJwts, defaultLogs } from "../../src/nats/hubAccounts.ts"
import { type HubSecrets, keyOf } from "../../src/nats/hubSecrets.ts"

/** A value of YAML: what a chart is given. */
export type Value = string | number | boolean | null | ReadonlyArray<Value> | { readonly [key: string]: Value }
export type Values = { readonly [key: string]: Value }

const tls: Shape = { enabled: 0, secretName: 0, dir: 0, cert: 0, key: 0, merge: 1 }
const pvc: Shape = { enabled: 0, size: 0, storageClassName: 0, merge: 1 }

/**
 * The settings of the official NATS chart that we use or might, and their shape: 0 a plain value, 1 anything.
 * A chart takes a misspelt setting in silence, and with it the default: so we refuse what is not listed.
 */
const known: Shape = {
  container: { image: { repository: 0, tag: 0 }, env: 1, merge: 1, resources: 1 },
  config: {
    cluster: { enabled: 0, port: 0, replicas: 0, noAdvertise: 0, tls, merge: 1 },
    jetstream: { enabled: 0, fileStore: { enabled: 0, dir: 0, maxSize: 0, pvc }, memoryStore: { enabled: 0, maxSize: 0 }, merge: 1 },
    nats: { port: 0, tls },
    leafnodes: { enabled: 0, port: 0, tls, merge: 1 },
    websocket: { enabled: 0, port: 0, tls, merge: 1 },
    monitor: { enabled: 0, port: 0 },
    resolver: { enabled: 0, dir: 0, pvc, merge: 1 },
    merge: 1
  },
  tlsCA: { enabled: 0, secretName: 0, dir: 0, key: 0 },
  service: { enabled: 0, ports: { nats: { enabled: 0 }, leafnodes: { enabled: 0 }, websocket: { enabled: 0 } }, merge: 1 },
  podTemplate: { topologySpreadConstraints: 1, merge: 1, patch: 1 },
  podDisruptionBudget: { enabled: 0, merge: 1 },
  natsBox: { enabled: 0 }
}
type Shape = { readonly [key: string]: 0 | 1 | Shape }

/** Settings that the chart does not have, or that are of another kind there; by path. */
export const unknownSettings = (values: Values, shape: Shape = known, path = ""): ReadonlyArray<string> =>
  Object.entries(values).flatMap(([key, value]) => {
    const at = `${path}${key}`
    const is = shape[key]
    if (is === undefined) return [at]
    if (is === 1) return []
    return isObject(value) ? (is === 0 ? [at] : unknownSettings(value, is, `${at}.`)) : is === 0 ? [] : [at]
  })

const isObject = (value: Value | undefined): value is Values => typeof value === "object" && value !== null && !Array.isArray(value)

/** The object at a path; empty where there is none. */
export const at = (values: Values, ...path: ReadonlyArray<string>): Values =>
  path.reduce<Values>((held, key) => {
    const next = held[key]
    return isObject(next) ? next : {}
  }, values)

/** Two files of values, as `helm -f a -f b` takes them. */
export const merged = (a: Values, b: Values): Values =>
  Object.entries(b).reduce<Values>((held, [key, value]) => {
    const before = held[key]
    return { ...held, [key]: isObject(before) && isObject(value) ? merged(before, value) : value }
  }, a)

/**
 * What nats-server is given for these values, as the chart would write it: JSON, but for what stands in `<< >>`.
 * `certificates` stands for every mounted Secret, `data` for the volume.
 */
export const natsConfOf = (values: Values, place: { readonly certificates: string; readonly data: string }): string => {
  const config = at(values, "config")
  const ca = at(values, "tlsCA")["enabled"] === true ? { ca_file: `${place.certificates}/ca.crt` } : {}
  const tlsOf = (of: Values): Values =>
    at(of, "tls")["enabled"] === true
      ? { tls: { cert_file: `${place.certificates}/tls.crt`, key_file: `${place.certificates}/tls.key`, ...ca, ...at(of, "tls", "merge") } }
      : {}
  const listener = (name: string, port: number, more: Values = {}): Values => {
    const of = at(config, name)
    return of["enabled"] === true ? { [name]: { port, ...more, ...tlsOf(of), ...at(of, "merge") } } : {}
  }
  const replicas = Number(at(config, "cluster")["replicas"])
  const routes = Array.from({ length: replicas }, (_, n) => `tls://nats-${n}.nats-headless:6222`)
  const fileStore = at(config, "jetstream", "fileStore")
  const rendered: Values = {
    server_name: "nats-0",
    port: 4222,
    ...tlsOf(at(config, "nats")),
    ...listener("leafnodes", 7422, { no_advertise: true }),
    ...listener("websocket", 8080),
    ...listener("cluster", 6222, { name: "nats", no_advertise: true, routes }),
    http_port: 8222,
    jetstream: { max_memory_store: 0, store_dir: place.data, max_file_store: `<< ${String(fileStore["maxSize"])} >>`, ...at(config, "jetstream", "merge") },
    resolver: { dir: `${place.data}/resolver`, ...at(config, "resolver", "merge") },
    ...at(config, "merge")
  }
  return JSON.stringify(rendered, null, 2).replace(/"<< (.*?) >>"/g, "$1")
}

/** The second file of values, which says whose hub it is. */
export const accountValues = (secrets: HubSecrets): Effect.Effect<Values> =>
  Effect.map(accountJwts(secrets, { logs: defaultLogs, revocations: {} }), ({ operator, peers, store, system }) => {
    const publicKey = (seed: string) => keyOf(seed).getPublicKey()
    const preload = { [publicKey(secrets.system)]: system, [publicKey(secrets.store)]: store, [publicKey(secrets.peers)]: peers }
    return { config: { merge: { operator, system_account: publicKey(secrets.system), resolver_preload: preload } } }
  })
