import { Effect } from "effect"
import { problem, refused } from "../http/problems.ts"
import type { Conversation, Recorded } from "../http/wire.ts"
import { type Answer, type Common, isVisible, type Means, means, noConversation, quoted } from "./means.ts"

/** Commands about a conversation as a whole. */
export const conversationWrites = Effect.map(means, (means) => ({
  /** Begin it. Once more with the same title, or none, writes nothing; a deleted one comes back. */
  create: (common: Common, title: string | undefined): Answer<typeof Conversation.Type> =>
    means.inTurn(common, "alone", Effect.gen(function*() {
      const head = yield* means.reads.head(common.tenant, common.conversation)
      if (!isVisible(head)) return yield* means.record(common, { type: "conversation.created", data: titled(title) })
      if (title !== undefined && title !== head.title) return yield* otherTitle(common.conversation)
      return undefined
    })).pipe(
      Effect.tap((written) => written === undefined ? Effect.void : means.reached(common, written)),
      Effect.andThen(asRead(means, common))
    ),

  rename: (common: Common, title: string): Answer<typeof Conversation.Type> =>
    means.inTurn(common, "beside", Effect.andThen(
      means.visibleHead(common),
      means.record(common, { type: "conversation.renamed", data: { title } })
    )).pipe(
      Effect.tap((written) => means.reached(common, written)),
      Effect.andThen(asRead(means, common))
    ),

  remove: (common: Common): Answer<typeof Recorded.Type> =>
    means.inTurn(common, "beside", Effect.andThen(
      means.visibleHead(common),
      means.record(common, { type: "conversation.deleted", data: {} })
    )).pipe(Effect.flatMap((written) => means.plainAnswer(common, written)))
}))

const titled = (title: string | undefined) => title === undefined ? {} : { title }

/** The conversation as it is now, the write just made included. */
const asRead = (means: Means, common: Common): Answer<typeof Conversation.Type> =>
  means.settledFor(common.tenant, [common.conversation]).pipe(
    Effect.andThen(means.reads.conversation(common.tenant, common.conversation)),
    Effect.filterOrFail((found) => found !== undefined, () => noConversation(common.conversation)),
    refused
  )

const otherTitle = (id: string) =>
  problem("conversation-exists", `The conversation ${quoted(id)} has another title.`, "Rename it with PATCH, or leave the title out.", {
    field: "title"
  })
