import { memo } from "react"
import type { ConversationSummary } from "../../../sdk/typescript/owner/index.ts"
import { hrefOf } from "../../navigation/route.ts"
import { AgoAt } from "../../parts/Ago.tsx"
import classes from "./ConversationRow.module.css"

/** Pixels. */
export const rowHeight = 62

/** A title as a person reads it; an id where there is none. */
export const titleOf = ({ conversation_id, title }: Pick<ConversationSummary, "conversation_id" | "title">): string => title === null || title.trim() === "" ? conversation_id : title

/** In as few elements as it can be: a fast scroll makes and lays out hundreds of them. */
export const ConversationRow = memo(({ conversation, here, now }: { readonly conversation: ConversationSummary; readonly here: boolean; readonly now: number }) => (
  <a className={classes["link"]} href={hrefOf("conversations", conversation.conversation_id)} aria-current={here ? "page" : undefined}>
    <span className={classes["title"]} dir="auto">{titleOf(conversation)}</span>
    <span className={classes["line"]}>{lineOf(conversation)}</span>
    <AgoAt className={classes["when"]} at={conversation.last_modified} now={now} />
  </a>
))
ConversationRow.displayName = "ConversationRow"

const lineOf = ({ message_count, surfaces }: ConversationSummary): string =>
  [message_count === 1 ? "1 message" : `${message_count.toLocaleString("en")} messages`, ...surfaces.length === 0 ? [] : [surfaces.join(", ")]].join(" · ")
