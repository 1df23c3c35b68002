import type { EventType, Fact } from "../../streams/catalog.ts"
import type { Opened } from "../../streams/Envelope.ts"
import type { Settings } from "../../streams/events/settings.ts"
import { isToken, timePattern } from "../../streams/tokens.ts"
import { nameMaxLength } from "../../streams/limits.ts"
import type { Span } from "./kinds.ts"
import { redact, type RedactOptions } from "./redact.ts"
import { type Json, redactJson } from "./redactJson.ts"

/** An outside id and the form of it that leaves. The local side keeps the pair, to find its way back. */
export interface Alias {
  readonly shared: string
  readonly original: string
}

export type Verdict =
  | {
    readonly _tag: "send"
    /** The event as it may leave; with `subject`, `surface` and `sessionid`, all that changes in the envelope. */
    readonly fact: Fact
    readonly subject: string
    readonly surface: string
    readonly sessionid?: string
    /** Redaction altered something a person wrote. Shared ids alone do not count. */
    readonly changed: boolean
    /** What was hidden in the content or the title, in UTF-16 units of what was written. */
    readonly spans: ReadonlyArray<Span>
    readonly aliases: ReadonlyArray<Alias>
  }
  /** Stays on this machine for good, unless journalled anew. */
  | { readonly _tag: "withhold"; readonly why: "surface" }
  /** Not now: the cursor waits here until the settings change. */
  | { readonly _tag: "stop"; readonly why: "sync_enabled" | "sync_conversations" }

export interface GateInput {
  readonly opened: Opened
  readonly settings: Settings
  /** `h_…`: the keyed hash by which an id is known outside (docs/PROTOCOL.md 6). */
  readonly shareId: (id: string) => string
}

/** Whether an event carries what people wrote. Only these are stopped, withheld and redacted. */
export const holdsContent = (type: EventType): boolean => type.startsWith("conversation.") || type.startsWith("message.")

/**
 * Whether an id may leave as it is: a subject token in which redaction finds nothing.
 *
 * A property of the id alone, whatever the settings say today or said yesterday: else a conversation would have two names
 * outside, and edits would miss their messages.
 */
export const isShareable = (id: string): boolean => isToken(id) && redact(id).spans.length === 0

/**
 * What becomes of one journal event on its way out. Pure: the same event and settings always get the same verdict.
 *
 * Settings, peer and key events always travel, unredacted: they hold nothing a person wrote, the other devices must learn
 * that sync was turned off, and a key rotated because it leaked must reach the other side in any case. Nothing at all
 * leaves while a device is paused; that is the link's doing, not the gate's.
 */
export const gate = (input: GateInput): Verdict => {
  const { opened: { envelope, fact }, settings } = input
  const kept = {
    subject: envelope.subject,
    surface: envelope.surface,
    ...(envelope.sessionid === undefined ? {} : { sessionid: envelope.sessionid })
  }
  if (!holdsContent(fact.type)) return { _tag: "send", fact, ...kept, changed: false, spans: [], aliases: [] }
  if (!settings.sync_enabled) return { _tag: "stop", why: "sync_enabled" }
  if (!settings.sync_conversations) return { _tag: "stop", why: "sync_conversations" }
  if (settings.allowed_surfaces !== null && !settings.allowed_surfaces.includes(envelope.surface)) return { _tag: "withhold", why: "surface" }

  const aliases: Array<Alias> = []
  const id = (original: string): string => {
    if (isShareable(original)) return original
    const shared = input.shareId(original)
    if (!aliases.some((alias) => alias.original === original)) aliases.push({ shared, original })
    return shared
  }
  const subject = id(envelope.subject)
  const pen = settings.redact_pii ? redactingPen(redactOptions(settings)) : plainPen
  const outgoing = share(fact, id, pen)
  return {
    _tag: "send",
    fact: outgoing,
    subject,
    surface: pen.name(kept.surface),
    ...(kept.sessionid === undefined ? {} : { sessionid: pen.text(kept.sessionid, sessionidMaxLength) }),
    changed: pen.changed(),
    spans: pen.spans(),
    aliases
  }
}

/**
 * How what people wrote is redacted under these settings; ids are judged without them. Settings kept by an older program
 * say nothing of a region.
 */
export const redactOptions = ({ default_region }: Partial<Settings>): RedactOptions => ({ defaultRegion: default_region ?? undefined })

/** The envelope's limit on `sessionid`. */
const sessionidMaxLength = 256

/** How the fields of one event are written for others. */
interface Pen {
  /** What a person wrote: its spans are reported. */
  readonly main: (text: string) => string
  /** A short field, cut to its limit: a placeholder may be longer than what it replaces. */
  readonly text: (text: string, lengthMax: number) => string
  readonly name: (text: string) => string
  readonly json: (value: Json) => Json
  readonly changed: () => boolean
  readonly spans: () => ReadonlyArray<Span>
}

const plainPen: Pen = { main: (text) => text, text: (text) => text, name: (text) => text, json: (value) => value, changed: () => false, spans: () => [] }

const redactingPen = (options: RedactOptions): Pen => {
  let changed = false
  let spans: ReadonlyArray<Span> = []
  const write = (text: string): string => {
    const redacted = redact(text, options)
    if (redacted.spans.length > 0) changed = true
    return redacted.text
  }
  const short = (text: string, lengthMax: number): string => {
    const written = write(text)
    return written === text ? text : written.slice(0, lengthMax).toWellFormed()
  }
  return {
    main: (text) => {
      const redacted = redact(text, options)
      if (redacted.spans.length > 0) {
        changed = true
        spans = redacted.spans
      }
      return redacted.text
    },
    text: short,
    name: (text) => short(text, nameMaxLength),
    json: (value) => {
      const redacted = redactJson(value, options)
      if (redacted.changed) changed = true
      return redacted.value
    },
    changed: () => changed,
    spans: () => spans
  }
}

const share = (fact: Fact, id: (id: string) => string, pen: Pen): Fact => {
  switch (fact.type) {
    case "conversation.created":
    case "conversation.renamed":
    case "conversation.deleted": {
      const { title } = fact.data
      return title === undefined ? fact : { type: fact.type, data: { ...fact.data, title: pen.main(title) } }
    }
    case "message.appended":
      return { type: fact.type, data: { ...fact.data, ...written(fact.data, id, pen) } }
    case "message.edited":
      return { type: fact.type, data: { ...fact.data, ...written(fact.data, id, pen) } }
    case "message.deleted":
      return { type: fact.type, data: { ...fact.data, message_id: id(fact.data.message_id) } }
    case "conversation.snapshot":
      return { type: fact.type, data: pen.json(fact.data as Json) as typeof fact.data }
    default:
      return fact
  }
}

interface Written {
  readonly message_id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string
}

const written = (data: Written, id: (id: string) => string, pen: Pen): Written => ({
  message_id: id(data.message_id),
  role: pen.name(data.role),
  content: pen.main(data.content),
  // a surface may send anything as its time; a proper one is not worth a look
  timestamp: timePattern.test(data.timestamp) ? data.timestamp : pen.name(data.timestamp)
})
