import { memo } from "react"
import type { Hit } from "../../../sdk/typescript/owner/index.ts"
import { hrefOf } from "../../navigation/route.ts"
import { AgoAt } from "../../parts/Ago.tsx"
import { titleOf } from "./ConversationRow.tsx"
import classes from "./HitRow.module.css"

/** Pixels. */
export const hitHeight = 88

const roles: Readonly<Record<string, string>> = { user: "You", assistant: "Assistant", system: "System" }

/** A message that says what was searched for; leads to it. */
export const HitRow = memo(({ here, hit, now }: { readonly hit: Hit; readonly here: boolean; readonly now: number }) => (
  <a className={classes["hit"]} href={hrefOf("conversations", hit.conversation_id, ...(hit.message_id === null ? [] : [hit.message_id]))} aria-current={here ? "page" : undefined}>
    <span className={classes["line"]}>
      <span className={classes["title"]} dir="auto">{titleOf(hit)}</span>
      <span>{hit.role === null ? "" : roles[hit.role] ?? hit.role}</span>
      <AgoAt at={hit.timestamp} now={now} />
    </span>
    <span className={classes["excerpt"]} dir="auto">{partsOf(hit).map(({ marked, text }, at) => marked ? <mark key={at} className={classes["mark"]}>{text}</mark> : <span key={at}>{text}</span>)}</span>
  </a>
))
HitRow.displayName = "HitRow"

/** The excerpt in pieces, those that were searched for apart. */
const partsOf = ({ excerpt, marks }: Hit) => {
  const parts: Array<{ readonly text: string; readonly marked: boolean }> = []
  let at = 0
  for (const [from, to] of marks) {
    parts.push({ text: excerpt.slice(at, from), marked: false }, { text: excerpt.slice(from, to), marked: true })
    at = to
  }
  return [...parts, { text: excerpt.slice(at), marked: false }]
}
