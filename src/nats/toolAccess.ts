import * as jwt from "@nats-io/jwt"
import { createUser } from "@nats-io/nkeys"
import { Effect, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { toolConsumer } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import type { Wire } from "./connect.ts"
import type { LogUnavailable } from "./EventLog.ts"
import { hubDomain } from "./hubAccounts.ts"
import { keyOf, type PeersSigner } from "./hubSecrets.ts"
import { api, codes, Done, isCode } from "./jetStreamApi.ts"
import { unavailable } from "./orderedReader.ts"
import { toolConsumerToJetStream } from "./toJetStream.ts"

/** What one tool was given: its own consumer and subjects, by a random id nobody else has. */
export interface ToolAccess {
  /** A credentials file's text: secret. */
  readonly creds: string
  readonly inboxPrefix: string
  readonly subject: string
  readonly consumer: string
  /** Public key of the token, of this grant alone: revoked, it cuts the tool off. */
  readonly nkey: string
}

/** Subscriptions a tool may hold: its subject and an inbox, with room. */
const toolSubscriptionsMax = 10

/**
 * Everything a tool may do: hear what its consumer delivers, and answer that consumer's flow control. It is in the account
 * PEERS, which has no JetStream, so that a mistake here opens nothing else.
 */
const toolPermissions = (options: { readonly id: string; readonly log: string; readonly consumer: string }): jwt.Permissions => ({
  pub: { allow: [`$JS.FC.${options.log}.${options.consumer}.>`, `$JS.FC.${hubDomain}.*.${options.log}.${options.consumer}.>`] },
  sub: { allow: [subjects.deliver(options.id), `_INBOX.${options.id}.>`] }
})

/** Make a tool's consumer, filtered to one tenant, and credentials for it alone. An earlier grant of that name ends. */
export const grantTool = Effect.fnUntraced(function*(wire: Wire, signer: PeersSigner, options: { readonly tenant: string; readonly name: string; readonly log: string; readonly expiresAt: number }) {
  const { log, name, tenant } = options
  yield* revokeTool(wire, options)
  const id = `tool_${randomBytes(10).toString("hex")}`
  const consumer = `${toolConsumer.prefixOf(tenant, name)}${id}`
  const config = toolConsumerToJetStream(toolConsumer, { tenant, deliver: subjects.deliver(id), consumer })
  yield* api(wire, `CONSUMER.CREATE.${log}.${consumer}`, { stream_name: log, config }, Done).pipe(Effect.mapError(unavailable(log)))
  const user = createUser()
  const token = yield* Effect.promise(() =>
    jwt.encodeUser(id, user, keyOf(signer.peersSigning), {
      issuer_account: signer.peersAccount,
      subs: toolSubscriptionsMax,
      data: -1,
      payload: -1,
      ...toolPermissions({ id, log, consumer }),
      allowed_connection_types: ["STANDARD", "WEBSOCKET"]
    }, { exp: Math.floor(options.expiresAt / 1000) }))
  return { creds: new TextDecoder().decode(jwt.fmtCreds(token, user)), inboxPrefix: `_INBOX.${id}`, subject: subjects.deliver(id), consumer, nkey: user.getPublicKey() } satisfies ToolAccess
})

/** Ends what a name was granted: without its consumer, credentials hear nothing and can do nothing. Answers whether there was one. */
export const revokeTool = (wire: Wire, { log, name, tenant }: { readonly tenant: string; readonly name: string; readonly log: string }): Effect.Effect<boolean, LogUnavailable> =>
  Effect.gen(function*() {
    const prefix = toolConsumer.prefixOf(tenant, name)
    const own = (yield* consumerNames(wire, log)).filter((consumer) => consumer.startsWith(prefix))
    yield* Effect.forEach(own, (consumer) =>
      api(wire, `CONSUMER.DELETE.${log}.${consumer}`, undefined, Done).pipe(Effect.catchIf((error) => isCode(error, codes.consumerNotFound), () => Effect.void)), { discard: true })
    return own.length > 0
  }).pipe(Effect.mapError(unavailable(log)))

const Names = Schema.Struct({ total: Schema.Int, consumers: Schema.NullOr(Schema.Array(Schema.String)) })

/** The server tells them page by page. */
const consumerNames = (wire: Wire, log: string) =>
  Effect.gen(function*() {
    const names: Array<string> = []
    for (;;) {
      const { consumers, total } = yield* api(wire, `CONSUMER.NAMES.${log}`, { offset: names.length }, Names)
      names.push(...consumers ?? [])
      if (consumers === null || consumers.length === 0 || names.length >= total) return names
    }
  })
