import { createUser } from "@nats-io/nkeys"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { mirrorName, toolConsumer } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import type { Wire } from "./connect.ts"
import type { LogUnavailable } from "./EventLog.ts"
import { api, codes, Done, isCode } from "./jetStreamApi.ts"
import { unavailable } from "./orderedReader.ts"
import { toolConsumerToJetStream } from "./toJetStream.ts"

/** A tool that may come to a local backend's server: nothing of it is secret. */
export interface ToolUser {
  /** Random: its subject and inbox are made of it. */
  readonly id: string
  /** Its public key; the tool alone holds the other half. */
  readonly nkey: string
  /** On the mirror. */
  readonly consumer: string
}

/** What a tool is called on the server, and the secret seed of its nkey. */
export const newToolUser = ({ name, tenant }: { readonly tenant: string; readonly name: string }): { readonly user: ToolUser; readonly seed: string } => {
  const id = `tool_${randomBytes(10).toString("hex")}`
  const key = createUser()
  return { user: { id, nkey: key.getPublicKey(), consumer: `${toolConsumer.prefixOf(tenant, name)}${id}` }, seed: new TextDecoder().decode(key.getSeed()) }
}

export const toolInbox = (id: string) => `_INBOX.${id}`

/** The account TOOLS of `nats.conf`: each may hear its own subject and answer its own consumer's flow control. */
export const toolsConf = (tools: ReadonlyArray<ToolUser>): string =>
  ["# Written by maestra: the tools `maestra tools grant` let in.", `users: ${JSON.stringify(tools.map(({ consumer, id, nkey }) => ({
    nkey,
    permissions: {
      publish: { allow: [`$JS.FC.${mirrorName}.${consumer}.>`] },
      subscribe: { allow: [subjects.tool(id), `${toolInbox(id)}.>`] }
    }
  })))}`, ""].join("\n")

/**
 * The consumer a tool hears the mirror through; one that is there keeps its place. On a mirror made anew the consumer is
 * new as well, and begins at the beginning: a tool hears what it had heard again, and misses nothing. Without a mirror
 * there is none yet.
 */
export const ensureMirrorTool = (wire: Wire, tenant: string, { consumer, id }: ToolUser): Effect.Effect<void, LogUnavailable> =>
  api(wire, `CONSUMER.INFO.${mirrorName}.${consumer}`, undefined, Done).pipe(
    Effect.catchIf((error) => isCode(error, codes.consumerNotFound), () =>
      api(wire, `CONSUMER.CREATE.${mirrorName}.${consumer}`, { stream_name: mirrorName, config: toolConsumerToJetStream(toolConsumer, { tenant, consumer, deliver: subjects.tool(id) }) }, Done)),
    Effect.catchIf((error) => isCode(error, codes.streamNotFound), () => Effect.void),
    Effect.asVoid,
    Effect.mapError(unavailable(mirrorName)))

/** Fine when there is none. */
export const deleteMirrorTool = (wire: Wire, { consumer }: ToolUser): Effect.Effect<void, LogUnavailable> =>
  api(wire, `CONSUMER.DELETE.${mirrorName}.${consumer}`, undefined, Done).pipe(
    Effect.catchIf((error) => isCode(error, codes.consumerNotFound) || isCode(error, codes.streamNotFound), () => Effect.void),
    Effect.asVoid,
    Effect.mapError(unavailable(mirrorName)))
