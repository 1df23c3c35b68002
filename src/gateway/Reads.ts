import { Context, type Effect, type Stream } from "effect"
import type { SqliteFailed } from "../../projections/SqliteFailed.ts"
import type { Written } from "../../streams/Backend.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import type { Problem } from "./http/problems.ts"
import type { Conflict, Conversation, ConversationSummary, Digest, ImportConversation, Write } from "./http/wire.ts"
import type { KnownConversation } from "./import/plan.ts"

/** A conversation as a writer must know it. `hidden`: deleted, and nothing written since. */
export interface Head {
  readonly version: number
  readonly title: string | null
  readonly hidden: boolean
}

/** The write that is shown of a message, deletions included. */
export interface Shown {
  readonly stamp: Stamp
  /** The write as its author was told, so that it can be told again. */
  readonly written: Written
  readonly deleted: boolean
  readonly role: string
  readonly content: string
  readonly timestamp: string
  readonly surface: string
}

type Read<A> = Effect.Effect<A, SqliteFailed | Problem>

/** The questions the gateway asks the projections, in the words of the wire. */
export class Reads extends Context.Service<Reads, {
  readonly list: (tenant: string, limit: number, cursor: string | undefined) => Read<{
    readonly conversations: ReadonlyArray<typeof ConversationSummary.Type>
    readonly next_cursor: string | null
  }>
  /** `undefined` where there is none, or it is deleted. */
  readonly conversation: (tenant: string, id: string) => Read<typeof Conversation.Type | undefined>
  readonly head: (tenant: string, id: string) => Read<Head | undefined>
  readonly shown: (tenant: string, conversation: string, message: string) => Read<Shown | undefined>
  /** Newest first; empty where there is no such message. */
  readonly history: (tenant: string, conversation: string, message: string) => Read<ReadonlyArray<typeof Write.Type>>
  readonly conflicts: (tenant: string, limit: number, cursor: string | undefined) => Read<{
    readonly conflicts: ReadonlyArray<typeof Conflict.Type>
    readonly next_cursor: string | null
  }>
  /** What is there of these conversations and messages, deleted ones included. */
  readonly known: (tenant: string, wanted: ReadonlyMap<string, ReadonlySet<string>>) => Read<Map<string, KnownConversation>>
  readonly exported: (tenant: string) => Stream.Stream<typeof ImportConversation.Type, SqliteFailed>
  readonly digest: (tenant: string) => Read<typeof Digest.Type>
  readonly peers: (tenant: string) => Read<ReadonlyArray<Readonly<Record<string, unknown>>>>
}>()("gateway/Reads") {}
