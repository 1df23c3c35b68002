import * as jwt from "@nats-io/jwt"
import { Effect } from "effect"
import { patterns, subjects } from "../../streams/subjects.ts"
import { type HubSecrets, keyOf } from "./hubSecrets.ts"

/**
 * The two accounts of the hub as data. STORE has JetStream and the hosted processes;
 * PEERS has leafs and tools and no JetStream. What crosses between them:
 *
 * | in STORE                         | in PEERS                          | kind    | for |
 * | -------------------------------- | --------------------------------- | ------- | --- |
 * | `ingest.*.*.*`                   | the same                          | service | commits, telemetry, heads |
 * | `$JS.API.CONSUMER.RESET.<LOG>.*` | `store.CONSUMER.RESET.<LOG>.*`    | service | a mirror setting its own consumer |
 * | `$JS.FC.<LOG>.>`                | the same                          | service | flow control, which is how a mirror acknowledges |
 * | `$JS.FC.hub.*.<LOG>.>`           | the same                          | service | the same in the form with domain and account that `js_ack_fc_v2` servers use (2.15.1: off by default) |
 * | `deliver.>`                      | the same                          | stream  | the log on its way to the mirrors |
 *
 * Between accounts the server rewrites every reply subject to `_R_.…`: a peer cannot choose where we answer.
 * `$JS.ACK.>` does not cross: consumers with `ack_policy: flow_control` need none, and a server lets every leaf
 * publish it whatever its permissions say (seen on 2.15.1), so it would be everybody's to everybody's consumers.
 */
interface Crossing {
  readonly subject: string
  readonly kind: "service" | "stream"
  readonly localSubject?: string
}

/** JetStream domain of every hub. */
export const hubDomain = "hub"

/** Revoked transport keys (user nkey public keys) and since when, in whole seconds since 1970. */
export type Revocations = Readonly<Record<string, number>>

/** The default hub has one LOG; a cluster has `LOG_0` … `LOG_<P-1>`. */
export const defaultLogs: ReadonlyArray<string> = ["LOG"]

const crossings = (logs: ReadonlyArray<string>): ReadonlyArray<Crossing> => [
  { subject: patterns.ingest, kind: "service" },
  ...logs.flatMap((log): ReadonlyArray<Crossing> => [
    { subject: `$JS.API.CONSUMER.RESET.${log}.*`, kind: "service", localSubject: `${storeApi}.CONSUMER.RESET.${log}.*` },
    { subject: `$JS.FC.${log}.>`, kind: "service" },
    { subject: `$JS.FC.${hubDomain}.*.${log}.>`, kind: "service" }
  ]),
  { subject: `${deliverPrefix}.>`, kind: "stream" }
]

/** What a mirror names as `external.api`: the hub's JetStream as far as a peer may use it. */
const storeApi = "store"
const deliverPrefix = "deliver"

/** A leaf's whole permission list. `log` is the stream its tenant lives in. */
export const leafPermissions = (options: { readonly tenant: string; readonly peer: string; readonly log: string }): jwt.Permissions => {
  const { log, peer, tenant } = options
  const consumer = `peer-${peer}`
  return {
    pub: {
      allow: [
        subjects.ingest(tenant, peer, "commit"),
        subjects.ingest(tenant, peer, "telemetry"),
        subjects.ingest(tenant, peer, "head"),
        `${storeApi}.CONSUMER.RESET.${log}.${consumer}`,
        `$JS.FC.${log}.${consumer}.>`,
        `$JS.FC.${hubDomain}.*.${log}.${consumer}.>`
      ]
    },
    sub: { allow: [subjects.deliver(peer), `_INBOX.${peer}.>`, "$JSC.R.*"] }
  }
}

/** The operator's and the three accounts' JWTs, signed now. `revocations` is everything known to be revoked. */
export const accountJwts = (secrets: HubSecrets, options: { readonly logs: ReadonlyArray<string>; readonly revocations: Revocations }) =>
  Effect.promise(async () => {
    const operator = keyOf(secrets.operator)
    const account = (name: string, seed: string, claims: Partial<jwt.Account>) => jwt.encodeAccount(name, keyOf(seed), claims, { signer: operator })
    return {
      operator: await jwt.encodeOperator("maestra", operator, { system_account: keyOf(secrets.system).getPublicKey() }),
      system: await account("SYS", secrets.system, { limits: open }),
      store: await account("STORE", secrets.store, storeClaims(options.logs)),
      peers: await account("PEERS", secrets.peers, peersClaims(secrets, options.logs, options.revocations))
    }
  })

/** PEERS alone, for an update on the running hub. */
export const peersJwt = (secrets: HubSecrets, options: { readonly logs: ReadonlyArray<string>; readonly revocations: Revocations }) =>
  Effect.promise(() => jwt.encodeAccount("PEERS", keyOf(secrets.peers), peersClaims(secrets, options.logs, options.revocations), { signer: keyOf(secrets.operator) }))

/** -1 means unlimited. No streams, no storage: without `jetstream` limits an account has no JetStream. */
const open = { conn: -1, leaf: -1, data: -1, payload: -1, subs: -1, imports: -1, exports: -1, wildcards: true }

const storeClaims = (logs: ReadonlyArray<string>): Partial<jwt.Account> => ({
  // No leafs in STORE: a leaf there would be inside the trust boundary.
  limits: { ...open, leaf: 0, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 },
  exports: crossings(logs).map(({ kind, subject }) => ({ name: subject, subject, type: kind }))
})

const peersClaims = (secrets: HubSecrets, logs: ReadonlyArray<string>, revocations: Revocations): Partial<jwt.Account> => ({
  limits: open,
  signing_keys: [...(secrets.signing_before ?? []).map(({ public_key }) => public_key), keyOf(secrets.peersSigning).getPublicKey()],
  imports: crossings(logs).map(({ kind, localSubject, subject }) => ({
    name: subject,
    subject,
    type: kind,
    account: keyOf(secrets.store).getPublicKey(),
    ...(localSubject === undefined ? {} : { local_subject: localSubject })
  })),
  revocations: { ...revocations }
})
