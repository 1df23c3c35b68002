import { type Fact, type FactOf } from "../../../streams/catalog.ts"
import { plain } from "../../../streams/Envelope.ts"
import type { Settings } from "../../../streams/events/settings.ts"
import { gate, type Verdict } from "../../privacy/gate.ts"
import type { Span } from "../../privacy/kinds.ts"
import { importSurface } from "../import/run.ts"
import type { ImportLine, ImportMessage } from "../import/lines.ts"

/** A message as it would leave, and what was hidden in it: places in the content as given, in UTF-16 units. */
interface PreviewedMessage {
  readonly id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string
  readonly surface: string
  readonly redactions: ReadonlyArray<Span>
}

/** A conversation in the import format, as it would leave. */
export interface Previewed {
  readonly conversation_id: string
  readonly title?: string
  readonly title_redactions?: ReadonlyArray<Span>
  readonly messages: ReadonlyArray<PreviewedMessage>
  /** Messages that would stay on this machine: `surface`, or the setting that stops everything. */
  readonly withheld?: { readonly why: "surface" | "sync_enabled" | "sync_conversations"; readonly messages: number }
}

export interface PreviewContext {
  readonly settings: Settings
  /** `h_…`: what an id that must not leave is called outside. */
  readonly shareId: (id: string) => string
}

/** A gate looks at what is written, not at who or when. */
const unstamped = { id: "", source: "", time: "", lamport: 0 }

/** What would leave of a conversation if it were imported now. Pure: the gate itself, on the events an import makes. */
export const preview = (line: ImportLine, context: PreviewContext): Previewed => {
  const through = (fact: Fact, surface: string): Verdict =>
    gate({ opened: { envelope: plain(fact, { ...unstamped, subject: line.conversation, surface }), fact }, ...context })
  const messages: Array<PreviewedMessage> = []
  let withheld: Previewed["withheld"]
  for (const message of line.messages) {
    const verdict = through({ type: "message.appended", data: dataOf(message) }, message.surface ?? importSurface)
    if (verdict._tag !== "send") withheld = { why: verdict.why, messages: (withheld?.messages ?? 0) + 1 }
    else {
      const { message_id: id, ...data } = (verdict.fact as FactOf<"message.appended">).data
      messages.push({ id, ...data, surface: verdict.surface, redactions: verdict.spans })
    }
  }
  const about = through({ type: "conversation.created", data: line.title === undefined ? {} : { title: line.title } }, importSurface)
  return {
    conversation_id: about._tag === "send" ? about.subject : context.shareId(line.conversation),
    ...(about._tag === "send" && line.title !== undefined ? { title: (about.fact as FactOf<"conversation.created">).data.title ?? "", title_redactions: about.spans } : {}),
    messages,
    ...(withheld === undefined ? {} : { withheld })
  }
}

const dataOf = ({ content, id, role, timestamp }: ImportMessage) => ({ message_id: id, role, content, timestamp })
