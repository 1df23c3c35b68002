import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Tenant, tenantQuery } from "../caller.ts"
import { refusals } from "../problems.ts"
import {
  Conversation,
  ConversationSummary,
  EditMessage,
  Hit,
  MessageWritten,
  NewConversation,
  NewMessage,
  Recorded,
  Rename,
  Restore,
  Surface,
  Tier,
  Write
} from "../wire.ts"

/** Any text that is not empty, URL-encoded; `.` and `..` as `~.` and `~..` (see `streams/paths.ts`). */
const conversation = { conversation_id: Schema.String.annotate({ examples: ["groceries"] }) }
const message = { ...conversation, message_id: Schema.String.annotate({ examples: ["m1"] }) }

/** Longer than anybody types. Characters. */
const searchMaxLength = 1000

const page = { limit: Schema.optionalKey(Schema.Int), cursor: Schema.optionalKey(Schema.String) }
const wait = { wait: Schema.optionalKey(Tier), timeout_ms: Schema.optionalKey(Schema.Int) }
const ifMatch = { "if-match": Schema.optionalKey(Schema.String) }
const etag = { etag: Schema.String }
/** Where there is no body to name the surface in. */
const surface = { surface: Schema.optionalKey(Surface) }

/** What a write may be refused with, besides its shape. */
const writes = [412, 413, 503, 507] as const

export class Conversations extends HttpApiGroup.make("conversations").add(
  HttpApiEndpoint.get("list", "/conversations", {
    query: { ...page, ...tenantQuery },
    success: Schema.Struct({ conversations: Schema.Array(ConversationSummary), next_cursor: Schema.NullOr(Schema.String) })
  }),
  /** Messages and titles that hold every word of `q`, each as a word or the beginning of one; what was written last first. */
  HttpApiEndpoint.get("search", "/search", {
    query: { q: Schema.String.check(Schema.isMaxLength(searchMaxLength)).annotate({ examples: ["milk lem"] }), ...page, ...tenantQuery },
    success: Schema.Struct({
      hits: Schema.Array(Hit),
      next_cursor: Schema.NullOr(Schema.String),
      behind: Schema.Boolean.annotate({ description: "there are writes that are not searched yet: after a long import, for a minute" })
    }),
    error: refusals(503)
  }),
  HttpApiEndpoint.post("create", "/conversations", {
    query: wait,
    payload: NewConversation,
    success: HttpApiSchema.WithHeaders(Conversation.pipe(HttpApiSchema.status(201)), etag),
    error: refusals(409, ...writes)
  }),
  HttpApiEndpoint.get("get", "/conversations/:conversation_id", {
    params: conversation,
    query: tenantQuery,
    success: HttpApiSchema.WithHeaders(Conversation, etag),
    error: refusals(404)
  }),
  HttpApiEndpoint.patch("rename", "/conversations/:conversation_id", {
    params: conversation,
    headers: ifMatch,
    query: wait,
    payload: Rename,
    success: HttpApiSchema.WithHeaders(Conversation, etag),
    error: refusals(404, ...writes)
  }),
  HttpApiEndpoint.delete("remove", "/conversations/:conversation_id", {
    params: conversation,
    headers: ifMatch,
    query: { ...wait, ...surface },
    success: Recorded,
    error: refusals(404, ...writes)
  })
).middleware(Tenant) {}

export class Messages extends HttpApiGroup.make("messages").add(
  HttpApiEndpoint.post("append", "/conversations/:conversation_id/messages", {
    params: conversation,
    headers: ifMatch,
    query: wait,
    payload: NewMessage,
    success: HttpApiSchema.WithHeaders(MessageWritten.pipe(HttpApiSchema.status(201)), etag),
    error: refusals(409, ...writes)
  }),
  HttpApiEndpoint.put("edit", "/conversations/:conversation_id/messages/:message_id", {
    params: message,
    headers: ifMatch,
    query: wait,
    payload: EditMessage,
    success: HttpApiSchema.WithHeaders(MessageWritten, etag),
    error: refusals(404, ...writes)
  }),
  HttpApiEndpoint.delete("remove", "/conversations/:conversation_id/messages/:message_id", {
    params: message,
    headers: ifMatch,
    query: { ...wait, ...surface },
    success: Recorded,
    error: refusals(404, ...writes)
  }),
  HttpApiEndpoint.get("history", "/conversations/:conversation_id/messages/:message_id/history", {
    params: message,
    query: tenantQuery,
    success: Schema.Struct({ writes: Schema.Array(Write) }),
    error: refusals(404)
  }),
  HttpApiEndpoint.post("restore", "/conversations/:conversation_id/messages/:message_id/restore", {
    params: message,
    headers: ifMatch,
    query: wait,
    payload: Restore,
    success: HttpApiSchema.WithHeaders(MessageWritten, etag),
    error: refusals(404, ...writes)
  })
).middleware(Tenant) {}
