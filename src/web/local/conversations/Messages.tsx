import { IconPencil } from "@tabler/icons-react"
import { useVirtualizer } from "@tanstack/react-virtual"
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react"
import type { Conversation, Message } from "../../../sdk/typescript/owner/index.ts"
import { Empty } from "../../parts/Empty.tsx"
import { useWaits } from "../status.ts"
import { HistoryDrawer } from "./HistoryDrawer.tsx"
import { MessageView } from "./MessageView.tsx"
import classes from "./Reading.module.css"

/** Pixels from the end within which the reader counts as being there, and stays there. */
const atEndWithin = 120
/** Height of a message before it was measured, pixels. */
const guess = 110

/** Messages in reading order, the end in sight, or the one that was looked for. */
export const Messages = ({ conversation: { conversation_id: id, messages }, sought }: { readonly conversation: Conversation; readonly sought: string | undefined }) => {
  const [looksInto, setLooksInto] = useState<Message | undefined>(undefined)
  const from = useRef<HTMLElement | null>(null)
  const look = useCallback((message: Message, at: HTMLElement | null) => {
    from.current = at
    setLooksInto(message)
  }, [])
  const close = () => {
    setLooksInto(undefined)
    from.current?.focus()
  }
  return (
    <>
      {messages.length === 0
        ? <div className={classes["messages"]}><Empty icon={<IconPencil size={28} stroke={1.5} />} title="No messages">Write the first one below.</Empty></div>
        : <Rows id={id} messages={messages} sought={sought} onHistory={look} />}
      <HistoryDrawer conversation={id} message={looksInto} close={close} />
    </>
  )
}

interface RowsProps {
  readonly id: string
  readonly messages: ReadonlyArray<Message>
  readonly sought: string | undefined
  readonly onHistory: (message: Message, from: HTMLElement | null) => void
}

const Rows = ({ id, messages, onHistory, sought }: RowsProps) => {
  const scroller = useRef<HTMLDivElement>(null)
  const waits = useWaits()
  // another function would have all heights added up again at every scroll
  const idAt = useCallback((at: number) => messages[at]!.id, [messages])
  const rows = useVirtualizer({ count: messages.length, getScrollElement: () => scroller.current, estimateSize: () => guess, overscan: 4, getItemKey: idAt, paddingStart: 12, paddingEnd: 12 })
  const stays = useRef(true)
  const last = messages[messages.length - 1]?.id
  useLayoutEffect(() => {
    const at = sought === undefined ? -1 : messages.findIndex((message) => message.id === sought)
    stays.current = at === -1
    if (at === -1) rows.scrollToIndex(messages.length - 1, { align: "end" })
    else rows.scrollToIndex(at, { align: "center" })
    // once, where the reader enters
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [sought])
  useEffect(() => {
    if (stays.current) rows.scrollToIndex(messages.length - 1, { align: "end" })
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [last])
  return (
    <div
      ref={scroller} className={classes["messages"]} tabIndex={0} role="region" aria-label="Messages"
      onScroll={({ currentTarget: { clientHeight, scrollHeight, scrollTop } }) => { stays.current = scrollHeight - scrollTop - clientHeight < atEndWithin }}>
      <ol className={classes["all"]} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index: at, key, start }) => (
          <li key={key} ref={rows.measureElement} data-index={at} aria-posinset={at + 1} aria-setsize={messages.length} className={classes["slot"]} data-sought={messages[at]!.id === sought || undefined} style={{ transform: `translateY(${start}px)` }}>
            <MessageView conversation={id} message={messages[at]!} waits={waits} onHistory={onHistory} />
          </li>
        ))}
      </ol>
    </div>
  )
}
