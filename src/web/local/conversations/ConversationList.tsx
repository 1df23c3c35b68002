import { Button, CloseButton, Skeleton, TextInput } from "@mantine/core"
import { IconMessagePlus, IconMoodEmpty, IconSearch } from "@tabler/icons-react"
import { useVirtualizer } from "@tanstack/react-virtual"
import { type KeyboardEvent, useDeferredValue, useLayoutEffect, useMemo, useRef, useState } from "react"
import type { ConversationSummary, Hit } from "../../../sdk/typescript/owner/index.ts"
import { go } from "../../navigation/route.ts"
import { Empty } from "../../parts/Empty.tsx"
import { Failure } from "../../parts/Failure.tsx"
import { matching } from "./ConversationIndex.ts"
import classes from "./ConversationList.module.css"
import { ConversationRow, rowHeight } from "./ConversationRow.tsx"
import { hitHeight, HitRow } from "./HitRow.tsx"
import { useIndex, useListed } from "./indexed.ts"
import { NewConversation } from "./NewConversation.tsx"
import { useHits } from "./useHits.ts"

/** Search, a way to begin, and everything there is. */
export const ConversationList = ({ message, reading }: { readonly reading: string | undefined; readonly message: string | undefined }) => {
  const { error, items, state } = useListed()
  const index = useIndex()
  const [search, setSearch] = useState("")
  const [writing, setWriting] = useState(false)
  const wanted = useDeferredValue(search)
  const found = useMemo(() => matching(items, wanted), [items, wanted])
  const said = useHits(wanted)
  const searches = wanted.trim() !== ""
  return (
    <>
      <div className={classes["head"]}>
        <h1 className={classes["title"]}>Conversations</h1>
        <Button size="xs" leftSection={<IconMessagePlus size={16} stroke={1.7} />} onClick={() => setWriting(true)}>New</Button>
      </div>
      <div className={classes["search"]}>
        <TextInput
          type="search" aria-label="Search conversations" placeholder="Search titles and messages" value={search} leftSection={<IconSearch size={16} stroke={1.7} />}
          rightSection={search === "" ? null : <CloseButton size="sm" aria-label="Clear the search" onClick={() => setSearch("")} />}
          onChange={(event) => setSearch(event.currentTarget.value)} />
        <p className={classes["count"]} role="status">{searches ? foundOf(found.length, said) : countOf(items.length, state === "reading")}</p>
      </div>
      {state === "failed" && items.length === 0
        ? <Failure error={error!} again={() => void index.load()} />
        : items.length === 0 && state === "reading"
        ? <Waiting />
        : found.length > 0 || said.hits.length > 0
        ? <Rows items={found} hits={said.hits} reading={reading} message={message} />
        : said.error === null
        ? said.waits ? <Waiting /> : <Nothing searches={searches} begin={() => setWriting(true)} />
        : <Failure error={said.error} again={() => void said.again()} />}
      <NewConversation opened={writing} close={() => setWriting(false)} />
    </>
  )
}

const number = (n: number) => n.toLocaleString("en")
const countOf = (all: number, reading: boolean): string => reading && all === 0 ? "Reading…" : `${number(all)}${reading ? " so far" : ""}`

/** How much was found, and what is still missing from it. */
const foundOf = (titles: number, { behind, hits, more, waits }: ReturnType<typeof useHits>): string =>
  `${titles === 1 ? "1 title" : `${number(titles)} titles`}, ${more ? `more than ${hits.length} messages` : hits.length === 1 ? "1 message" : `${number(hits.length)} messages`}${waits ? " so far" : behind ? ". Newer ones are still being read in." : ""}`

const Waiting = () => (
  <div className={classes["waiting"]} aria-hidden>
    {Array.from({ length: 6 }, (_, at) => <Skeleton key={at} height={44} radius="md" />)}
  </div>
)

const Nothing = ({ begin, searches }: { readonly searches: boolean; readonly begin: () => void }) =>
  searches
    ? <Empty icon={<IconMoodEmpty size={28} stroke={1.5} />} title="Nothing says that">Each word is looked for in titles and messages, from its beginning. Try fewer, or shorter ones.</Empty>
    : (
      <Empty icon={<IconMessagePlus size={28} stroke={1.5} />} title="No conversations yet">
        Write the first one here, or bring yours along with <code>npx maestra import FILE</code>.
        <br />
        <Button mt="md" size="xs" onClick={begin}>Begin a conversation</Button>
      </Empty>
    )

interface RowsProps {
  readonly items: ReadonlyArray<ConversationSummary>
  readonly hits: ReadonlyArray<Hit>
  readonly reading: string | undefined
  readonly message: string | undefined
}

/** Height of the line above messages that were found, pixels. */
const lineHeight = 40

/** Only what is in sight is in the page, however many there are: conversations, and below them what messages say. */
const Rows = ({ hits, items, message, reading }: RowsProps) => {
  const scroller = useRef<HTMLDivElement>(null)
  const lines = Number(hits.length > 0)
  const hitAt = (at: number): Hit | undefined => hits[at - items.length - lines]
  const rows = useVirtualizer({
    count: items.length + lines + hits.length,
    getScrollElement: () => scroller.current,
    estimateSize: (at) => at < items.length ? rowHeight : at - items.length < lines ? lineHeight : hitHeight,
    overscan: 6,
    // a scroll is no reason to hold up the frame
    useFlushSync: false,
    getItemKey: (at) => items[at]?.conversation_id ?? (hitAt(at) === undefined ? "said" : `${hitAt(at)!.conversation_id} ${hitAt(at)!.message_id}`)
  })
  // heights belong to places, and places move with every letter typed
  useLayoutEffect(() => rows.measure(), [rows, items.length, hits.length])
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (step === 0 || items.length === 0) return
    event.preventDefault()
    const at = Math.min(items.length - 1, Math.max(0, items.findIndex(({ conversation_id }) => conversation_id === reading) + step))
    go("conversations", items[at]!.conversation_id)
    rows.scrollToIndex(at)
  }
  const rowAt = (at: number) => {
    const item = items[at]
    if (item !== undefined) return <ConversationRow conversation={item} here={item.conversation_id === reading && message === undefined} />
    const hit = hitAt(at)
    return hit === undefined ? <h2 className={classes["said"]}>In messages</h2> : <HitRow hit={hit} here={hit.conversation_id === reading && hit.message_id === message} />
  }
  return (
    <div ref={scroller} className={classes["rows"]} onKeyDown={move} data-testid="conversation-rows">
      <ul className={classes["all"]} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index: at, key, start }) => (
          <li key={key} aria-posinset={at + 1} aria-setsize={items.length + lines + hits.length} className={classes["row"]} style={{ transform: `translateY(${start}px)` }}>{rowAt(at)}</li>
        ))}
      </ul>
    </div>
  )
}
