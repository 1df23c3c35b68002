import { Button, CloseButton, Skeleton, TextInput } from "@mantine/core"
import { IconMessagePlus, IconMoodEmpty, IconSearch } from "@tabler/icons-react"
import { useVirtualizer } from "@tanstack/react-virtual"
import { type KeyboardEvent, useDeferredValue, useMemo, useRef, useState } from "react"
import type { ConversationSummary } from "../../../sdk/typescript/owner/index.ts"
import { go } from "../../navigation/route.ts"
import { Empty } from "../../parts/Empty.tsx"
import { Failure } from "../../parts/Failure.tsx"
import { matching } from "./ConversationIndex.ts"
import classes from "./ConversationList.module.css"
import { ConversationRow, rowHeight } from "./ConversationRow.tsx"
import { useIndex, useListed } from "./indexed.ts"
import { NewConversation } from "./NewConversation.tsx"

/** Search, a way to begin, and everything there is. */
export const ConversationList = ({ reading }: { readonly reading: string | undefined }) => {
  const { error, items, state } = useListed()
  const index = useIndex()
  const [search, setSearch] = useState("")
  const [writing, setWriting] = useState(false)
  const wanted = useDeferredValue(search)
  const found = useMemo(() => matching(items, wanted), [items, wanted])
  return (
    <>
      <div className={classes["head"]}>
        <h1 className={classes["title"]}>Conversations</h1>
        <Button size="xs" leftSection={<IconMessagePlus size={16} stroke={1.7} />} onClick={() => setWriting(true)}>New</Button>
      </div>
      <div className={classes["search"]}>
        <TextInput
          type="search" aria-label="Search conversations" placeholder="Search titles" value={search} leftSection={<IconSearch size={16} stroke={1.7} />}
          rightSection={search === "" ? null : <CloseButton size="sm" aria-label="Clear the search" onClick={() => setSearch("")} />}
          onChange={(event) => setSearch(event.currentTarget.value)} />
        <p className={classes["count"]} role="status">{countOf(found.length, items.length, state === "reading", wanted)}</p>
      </div>
      {state === "failed" && items.length === 0
        ? <Failure error={error!} again={() => void index.load()} />
        : items.length === 0 && state === "reading"
        ? <Waiting />
        : found.length === 0
        ? <Nothing search={wanted} begin={() => setWriting(true)} />
        : <Rows items={found} reading={reading} />}
      <NewConversation opened={writing} close={() => setWriting(false)} />
    </>
  )
}

const number = (n: number) => n.toLocaleString("en")
const countOf = (found: number, all: number, reading: boolean, search: string): string =>
  reading && all === 0 ? "Reading…" : search.trim() === "" ? `${number(all)}${reading ? " so far" : ""}` : `${number(found)} of ${number(all)}`

const Waiting = () => (
  <div className={classes["waiting"]} aria-hidden>
    {Array.from({ length: 6 }, (_, at) => <Skeleton key={at} height={44} radius="md" />)}
  </div>
)

const Nothing = ({ begin, search }: { readonly search: string; readonly begin: () => void }) =>
  search.trim() === ""
    ? (
      <Empty icon={<IconMessagePlus size={28} stroke={1.5} />} title="No conversations yet">
        Write the first one here, or bring yours along with <code>npx maestra import FILE</code>.
        <br />
        <Button mt="md" size="xs" onClick={begin}>Begin a conversation</Button>
      </Empty>
    )
    : <Empty icon={<IconMoodEmpty size={28} stroke={1.5} />} title="No title has these words">Search looks at titles and ids.</Empty>

/** Only what is in sight is in the page, however many there are. */
const Rows = ({ items, reading }: { readonly items: ReadonlyArray<ConversationSummary>; readonly reading: string | undefined }) => {
  const scroller = useRef<HTMLDivElement>(null)
  const rows = useVirtualizer({ count: items.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 6, getItemKey: (at) => items[at]!.conversation_id })
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    const at = Math.min(items.length - 1, Math.max(0, items.findIndex(({ conversation_id }) => conversation_id === reading) + step))
    go("conversations", items[at]!.conversation_id)
    rows.scrollToIndex(at)
  }
  return (
    <div ref={scroller} className={classes["rows"]} onKeyDown={move} data-testid="conversation-rows">
      <ul className={classes["all"]} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index: at, key, start }) => (
          <li key={key} aria-posinset={at + 1} aria-setsize={items.length} className={classes["row"]} style={{ transform: `translateY(${start}px)` }}>
            <ConversationRow conversation={items[at]!} here={items[at]!.conversation_id === reading} />
          </li>
        ))}
      </ul>
    </div>
  )
}
