import { Button, CloseButton, Skeleton, TextInput } from "@mantine/core"
import { IconMessagePlus, IconMoodEmpty, IconSearch } from "@tabler/icons-react"
import { type KeyboardEvent, useDeferredValue, useLayoutEffect, useMemo, useRef, useState } from "react"
import type { ConversationSummary, Hit } from "../../../sdk/typescript/owner/index.ts"
import { useNow } from "../../live/time.ts"
import { Empty } from "../../parts/Empty.tsx"
import { Failure } from "../../parts/Failure.tsx"
import { type Run, topOf } from "../../parts/rows.ts"
import { useRowWindow } from "../../parts/useRowWindow.ts"
import { type Listed, matching } from "./ConversationIndex.ts"
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
        <p className={classes["count"]} role="status">{searches ? foundOf(found.length, said) : countOf(items.length, state)}</p>
        {state === "failed" && items.length > 0 ? <Button size="compact-xs" variant="default" onClick={() => void index.load()}>Read the rest again</Button> : null}
      </div>
      {state === "failed" && items.length === 0
        ? <Failure error={error!} again={() => void index.load()} />
        : items.length === 0 && state === "reading"
        ? <Waiting />
        : found.length > 0 || said.hits.length > 0
        ? <Rows search={wanted} items={found} hits={said.hits} reading={reading} message={message} />
        : said.error === null
        ? said.waits ? <Waiting /> : <Nothing searches={searches} begin={() => setWriting(true)} />
        : <Failure error={said.error} again={() => void said.again()} />}
      <NewConversation opened={writing} close={() => setWriting(false)} />
    </>
  )
}

const number = (n: number) => n.toLocaleString("en")
const countOf = (all: number, state: Listed["state"]): string => state === "reading" && all === 0 ? "Reading…" : `${all === 1 ? "1 conversation" : `${number(all)} conversations`}${endings[state]}`
const endings = { reading: " so far", whole: "", failed: "; the rest could not be read" }

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
  readonly search: string
  readonly items: ReadonlyArray<ConversationSummary>
  readonly hits: ReadonlyArray<Hit>
  readonly reading: string | undefined
  readonly message: string | undefined
}

/** Height of the line above messages that were found, pixels. */
const lineHeight = 40

/** Only what is in sight is in the page, however many there are: conversations, and below them what messages say. */
const Rows = ({ hits, items, message, reading, search }: RowsProps) => {
  const scroller = useRef<HTMLDivElement>(null)
  const now = useNow()
  const lines = Number(hits.length > 0)
  const runs: ReadonlyArray<Run> = [{ count: items.length, height: rowHeight }, { count: lines, height: lineHeight }, { count: hits.length, height: hitHeight }]
  const all = items.length + lines + hits.length
  const [from, to] = useRowWindow(scroller, runs)
  // what fits best is at the top
  useLayoutEffect(() => {
    if (scroller.current !== null) scroller.current.scrollTop = 0
  }, [search])
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    const to = placeOf(event.target) + step
    // over the line above messages
    const at = Math.min(all - 1, Math.max(0, lines === 1 && to === items.length ? to + step : to))
    bringIntoSight(scroller.current, topOf(runs, at), at < items.length ? rowHeight : hitHeight)
    // a few rows beyond what is in sight are in the page, so the next one is
    scroller.current?.querySelector<HTMLElement>(`li[aria-posinset="${at + 1}"] a`)?.focus({ preventScroll: true })
  }
  const rowOf = (at: number) => {
    const item = items[at]
    if (item !== undefined) return { key: `c ${item.conversation_id}`, height: rowHeight, row: <ConversationRow conversation={item} now={now} here={item.conversation_id === reading && message === undefined} /> }
    const hit = hits[at - items.length - lines]
    if (hit === undefined) return { key: "said", height: lineHeight, row: <h2 className={classes["said"]}>In messages</h2> }
    return { key: `h ${hit.conversation_id} ${hit.message_id}`, height: hitHeight, row: <HitRow hit={hit} now={now} here={hit.conversation_id === reading && hit.message_id === message} /> }
  }
  return (
    <div ref={scroller} className={classes["rows"]} onKeyDown={move} data-testid="conversation-rows">
      <ul className={classes["all"]} style={{ height: topOf(runs, all) }}>
        {Array.from({ length: to - from }, (_, n) => {
          const { height, key, row } = rowOf(from + n)
          return <li key={key} aria-posinset={from + n + 1} aria-setsize={all} className={classes["row"]} style={{ height, transform: `translateY(${topOf(runs, from + n)}px)` }}>{row}</li>
        })}
      </ul>
    </div>
  )
}

/** The row somebody is in, from 0. */
const placeOf = (element: EventTarget): number => element instanceof Element ? Number(element.closest("li")?.getAttribute("aria-posinset") ?? 0) - 1 : -1

/** As little as is needed to see it whole. */
const bringIntoSight = (scroller: HTMLElement | null, top: number, height: number): void => {
  if (scroller === null) return
  if (top < scroller.scrollTop) scroller.scrollTop = top
  else if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height - scroller.clientHeight
}
