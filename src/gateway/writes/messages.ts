import { Effect } from "effect"
import type { Current } from "../../../projections/conversations/queries.ts"
import type { Reached, Written } from "../../../streams/Backend.ts"
import { kindOf } from "../../../streams/ids.ts"
import { type BackendError, type Problem, problem } from "../http/problems.ts"
import type { MessageWritten, Recorded } from "../http/wire.ts"
import { type Answer, type Common, type Means, means, newId, noMessage, now, quoted } from "./means.ts"

/** A message as its author sends it; checked before it comes here. */
interface Words {
  readonly role: string | undefined
  readonly content: string
  readonly timestamp: string | undefined
}

/** The same with nothing left open. */
interface Full {
  readonly role: string
  readonly content: string
  readonly timestamp: string
}

/** Commands about one message. */
export const messageWrites = Effect.map(means, (means) => ({
  /** Add it. A known id with equal content is the same message sent again: nothing is written. */
  append: (common: Common, given: string | undefined, words: Words & { readonly role: string }): Answer<typeof MessageWritten.Type> =>
    Effect.gen(function*() {
      const id = given ?? (yield* newId)
      const full = { role: words.role, content: words.content, timestamp: words.timestamp ?? (yield* now) }
      const done: Done = given === undefined
        ? { full, written: yield* means.inTurn(common, "blind", write(means, common, id, full, undefined)) }
        : yield* means.inTurn(common, "alone", appendOnce(means, common, id, full))
      return yield* answer(means, common, id, done)
    }),

  edit: (common: Common, id: string, words: Words): Answer<typeof MessageWritten.Type> =>
    means.inTurn(common, "beside", Effect.gen(function*() {
      const shown = yield* there(means, common, id, ({ deleted }) => !deleted)
      const full = { role: words.role ?? shown.role ?? "", content: words.content, timestamp: words.timestamp ?? (yield* now) }
      return { full, written: yield* write(means, common, id, full, shown) }
    })).pipe(Effect.flatMap((done) => answer(means, common, id, done))),

  /** One that is deleted and in conflict is deleted once more: that settles it. */
  remove: (common: Common, id: string): Answer<typeof Recorded.Type> =>
    means.inTurn(common, "beside", Effect.gen(function*() {
      const shown = yield* there(means, common, id, ({ conflicted, deleted }) => !deleted || conflicted)
      return yield* means.record(common, { type: "message.deleted", data: { message_id: id, base: shown.stamp } })
    })).pipe(Effect.flatMap((written) => means.plainAnswer(common, written))),

  /** Write the value of an earlier write again. Its base is the greatest stamp of the message, so conflicts end. */
  restore: (common: Common, id: string, eventId: string): Answer<typeof MessageWritten.Type> =>
    means.inTurn(common, "beside", Effect.gen(function*() {
      const shown = yield* means.reads.current(common.tenant, common.conversation, id)
      if (shown === undefined) return yield* noMessage(id, readForIds)
      const history = yield* means.reads.history(common.tenant, common.conversation, id)
      const chosen = history.find((entry) => entry.event_id === eventId)
      if (chosen === undefined) return yield* noWrite(eventId)
      if (chosen.content === null) return yield* aDeletion
      const full = { role: chosen.role ?? "", content: chosen.content, timestamp: yield* now }
      return { full, written: yield* write(means, common, id, full, shown) }
    })).pipe(Effect.flatMap((done) => answer(means, common, id, done)))
}))

/** `base`: the write that is there, which the new one knowingly replaces. */
const write = (means: Means, common: Common, id: string, full: Full, base: Current | undefined) => {
  const written = { message_id: id, role: full.role, content: full.content, timestamp: full.timestamp }
  return means.record(
    common,
    base === undefined
      ? { type: "message.appended", data: written }
      : { type: "message.edited", data: { ...written, base: base.stamp } }
  )
}

/** What was written, and, of a message sent again, how far the first one has come. */
interface Done {
  readonly full: Full
  readonly written: Written
  readonly reached?: Reached
}

const appendOnce = (means: Means, common: Common, id: string, full: Full): Effect.Effect<Done, Problem | BackendError> =>
  Effect.gen(function*() {
    const shown = yield* means.reads.current(common.tenant, common.conversation, id)
    if (shown === undefined || shown.deleted) return { full, written: yield* write(means, common, id, full, shown) }
    if (shown.content !== full.content || shown.role !== full.role) return yield* otherContent(id)
    const [first] = yield* means.reads.history(common.tenant, common.conversation, id)
    if (first === undefined) return yield* noMessage(id, readForIds)
    return {
      full: { ...full, timestamp: first.timestamp ?? full.timestamp },
      written: { id: first.event_id, stamp: first.stamp, position: first.log_seq ?? 0 },
      reached: { tier: first.log_seq === null ? "local" : "hosted", missing: [] }
    }
  })

/** The write that is shown of a message, where it `counts`, or 404. */
const there = (means: Means, common: Common, id: string, counts: (shown: Current) => boolean) =>
  Effect.gen(function*() {
    yield* means.visibleHead(common)
    const shown = yield* means.reads.current(common.tenant, common.conversation, id)
    if (shown === undefined) return yield* noMessage(id, readForIds)
    if (!counts(shown)) return yield* noMessage(id, "It was deleted; its history and `restore` still have it.")
    return shown
  })

const answer = (means: Means, common: Common, id: string, { full, reached, written }: Done): Answer<typeof MessageWritten.Type> =>
  Effect.map(reached === undefined ? means.reached(common, written) : Effect.succeed(reached), (how) => ({
    conversation_id: common.conversation,
    message: {
      id,
      ...full,
      surface: common.from.surface,
      source_backend: kindOf(written.stamp.source),
      source_backend_id: written.stamp.source,
      version: written.stamp.lamport,
      tier: how.tier
    },
    event_id: written.id,
    stamp: written.stamp,
    reached: how
  }))

const readForIds = "GET the conversation for the ids it has."

const noWrite = (id: string) =>
  problem("write-not-found", `No write of this message has the event id ${quoted(id)}.`, "The message's history lists them.", {
    field: "event_id"
  })
const aDeletion = problem("invalid-request", "This write is a deletion: it has no content to restore.", "DELETE the message instead.", {
  field: "event_id"
})
const otherContent = (id: string) =>
  problem("message-exists", `The message ${quoted(id)} has other content.`, "Change it with PUT, or leave the id out.", { field: "id" })
