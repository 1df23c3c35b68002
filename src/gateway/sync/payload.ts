import { Effect } from "effect"
import { commitEventsMax, commitMaxBytes, syncCommitsMax } from "../../../streams/limits.ts"
import { checkContent, checkId, checkName, checkTimestamp, checkTitle } from "../checks.ts"
import { type Body, invalid, optional, required } from "../http/body.ts"
import { type Problem, problem } from "../http/problems.ts"

/** A message as a simple client has it. `version`: above that of the write it replaces; 0 where it never heard of one. */
export interface OfferedMessage {
  readonly id: string
  readonly version: number
  readonly surface: string | undefined
  /** What it says; nothing where it was deleted. */
  readonly words: { readonly role: string; readonly content: string; readonly timestamp: string | undefined } | undefined
}

export interface OfferedConversation {
  readonly id: string
  readonly version: number
  readonly title: string | undefined
  readonly deleted: boolean
  readonly surface: string | undefined
  readonly messages: ReadonlyArray<OfferedMessage>
}

export interface OfferedCommit {
  readonly record: Uint8Array
  readonly events: ReadonlyArray<Uint8Array>
}

/** Body of `POST /sync`, checked; its signature is not looked at here. */
export interface SyncPayload {
  readonly syncId: string
  readonly conversations: ReadonlyArray<OfferedConversation>
  readonly commits: ReadonlyArray<OfferedCommit>
  readonly cursor: string | undefined
}

const cursorMaxLength = 512
const versionMax = Number.MAX_SAFE_INTEGER

/** Read a payload; the first fault is named by its field, and nothing of the payload was taken. */
export const readPayload = (body: Body): Effect.Effect<SyncPayload, Problem> =>
  Effect.gen(function*() {
    const syncId = yield* required(body, "sync_id", checkId)
    yield* required(body, "timestamp", checkTimestamp)
    const cursor = yield* optional(body, "cursor", (value) => typeof value !== "string" || value.length > cursorMaxLength ? `is not a text of at most ${cursorMaxLength} characters` : undefined)
    const conversations = yield* Effect.forEach(yield* listOf(body, "conversations"), readConversation)
    const commits = yield* Effect.forEach(yield* listOf(body, "commits"), readCommit)
    if (commits.length > syncCommitsMax) return yield* invalid("commits", `More than ${syncCommitsMax} commits.`, "Send the others with the next sync.")
    return { syncId, conversations, commits, cursor }
  })

const listOf = (body: Body, field: string): Effect.Effect<ReadonlyArray<Body>, Problem> => {
  const value = body[field] ?? []
  return Array.isArray(value) && value.every(isBody) ? Effect.succeed(value) : Effect.fail(invalid(field, `${field} is not a list of objects.`, "See /openapi.json."))
}

const isBody = (value: unknown): value is Body => typeof value === "object" && value !== null && !Array.isArray(value)

const readConversation = (body: Body): Effect.Effect<OfferedConversation, Problem> =>
  Effect.gen(function*() {
    const { surfaces } = body
    const surface = Array.isArray(surfaces) && checkName(surfaces[0]) === undefined ? String(surfaces[0]) : undefined
    return {
      id: yield* required(body, "conversation_id", checkId),
      version: yield* versionOf(body),
      title: yield* optional(body, "title", checkTitle),
      deleted: body["deleted"] === true,
      surface,
      messages: yield* Effect.forEach(yield* listOf(body, "messages"), readMessage)
    }
  })

const readMessage = (body: Body): Effect.Effect<OfferedMessage, Problem> =>
  Effect.gen(function*() {
    const about = { id: yield* required(body, "id", checkId), version: yield* versionOf(body), surface: yield* optional(body, "surface", checkName) }
    if (body["deleted"] === true) return { ...about, words: undefined }
    const role = yield* required(body, "role", checkName)
    const content = yield* required(body, "content", checkContent)
    return { ...about, words: { role, content, timestamp: yield* optional(body, "timestamp", checkTimestamp) } }
  })

const versionOf = (body: Body): Effect.Effect<number, Problem> => {
  const version = body["version"] ?? 0
  return typeof version === "number" && Number.isInteger(version) && version >= 0 && version <= versionMax
    ? Effect.succeed(version)
    : Effect.fail(invalid("version", "version is not a whole number.", "Send the version you have; above it for what you changed."))
}

const encoder = new TextEncoder()

const readCommit = (body: Body): Effect.Effect<OfferedCommit, Problem> =>
  Effect.gen(function*() {
    const { events, record } = body
    if (typeof record !== "string" || record === "") return yield* invalid("commits", "A commit has no record.", "Send {record, events}: texts whose UTF-8 bytes were signed.")
    if (!Array.isArray(events) || events.length > commitEventsMax || !events.every((event): event is string => typeof event === "string" && event !== "")) {
      return yield* invalid("commits", `A commit's events are not a list of at most ${commitEventsMax} texts.`, "Send each event as the text whose UTF-8 bytes were hashed.")
    }
    const bytes = events.map((event: string) => encoder.encode(event))
    // one event may be larger than a commit's usual limit; it then goes alone
    if (bytes.length > 1 && bytes.reduce((sum, event) => sum + event.length, 0) > commitMaxBytes) {
      return yield* problem("body-too-large", `A commit of several events is larger than ${commitMaxBytes} bytes.`, "Make smaller commits.", { field: "commits" })
    }
    return { record: encoder.encode(record), events: bytes }
  })
