import { Result } from "effect"
import { type Decoded, EventMalformed } from "./EventDefinition.ts"
import * as conversation from "./events/conversation.ts"
import * as message from "./events/message.ts"
import * as peer from "./events/peer.ts"
import * as settings from "./events/settings.ts"

/** Every event type of the log. A type that is not here is from the future. */
export const definitions = {
  "conversation.created": conversation.conversationCreated,
  "conversation.renamed": conversation.conversationRenamed,
  "conversation.deleted": conversation.conversationDeleted,
  "conversation.expired": conversation.conversationExpired,
  "conversation.snapshot": conversation.conversationSnapshot,
  "message.appended": message.messageAppended,
  "message.edited": message.messageEdited,
  "message.deleted": message.messageDeleted,
  "settings.changed": settings.settingsChanged,
  "tenant.erased": settings.tenantErased,
  "peer.registered": peer.peerRegistered,
  "peer.renewed": peer.peerRenewed,
  "peer.confirmed": peer.peerConfirmed,
  "peer.revoked": peer.peerRevoked,
  "key.rotated": peer.keyRotated
} as const

export type EventType = keyof typeof definitions

type DataOf<T extends EventType> = (typeof definitions)[T] extends { readonly decode: (v: number, d: unknown) => Decoded<infer A> } ? A : never

/** An event's type together with its data in the newest version's shape. */
export type Fact = { readonly [T in EventType]: { readonly type: T; readonly data: DataOf<T> } }[EventType]
export type FactOf<T extends EventType> = Extract<Fact, { readonly type: T }>

export const isEventType = (type: string): type is EventType => Object.hasOwn(definitions, type)

/** Read stored data of any version into the newest shape. An unknown type reads as one from the future. */
export const decodeFact = (type: EventType, stored: number, data: unknown): Decoded<Fact> =>
  Result.map(definitions[type].decode(stored, data) as Decoded<never>, (value) => ({ type, data: value }) as Fact)

/** `maestra:<type>:<version>` apart. */
export const parseDataschema = (text: string): Result.Result<{ readonly type: string; readonly version: number }, EventMalformed> => {
  const newest = newestVersions.get(text)
  if (newest !== undefined) return newest
  const parts = /^maestra:([a-z_.]{1,64}):([1-9]\d{0,5})$/.exec(text)
  return parts === null
    ? Result.fail(new EventMalformed({ type: "?", stored: 0, why: `not a dataschema: ${text.slice(0, 100)}` }))
    : Result.succeed({ type: parts[1]!, version: Number(parts[2]) })
}

export const dataschemaOf = (type: EventType): string => `maestra:${type}:${definitions[type].version}`

/** The dataschemas nearly every event has, read once. */
const newestVersions = new Map(Object.values(definitions).map(({ type, version }) => [dataschemaOf(type), Result.succeed({ type, version })] as const))
