import { Button } from "@mantine/core"
import { IconGitMerge } from "@tabler/icons-react"
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { Conflict, Write } from "../../../sdk/typescript/owner/index.ts"
import { say, sayProblem } from "../../live/say.ts"
import { focusMain, hrefOf } from "../../navigation/route.ts"
import { Asked } from "../../parts/Asked.tsx"
import { Empty } from "../../parts/Empty.tsx"
import { MessageText } from "../../parts/MessageText.tsx"
import { Page } from "../../parts/Page.tsx"
import { titleOf } from "../conversations/ConversationRow.tsx"
import { WrittenBy } from "../conversations/HistoryDrawer.tsx"
import { useLocal } from "../LocalBackend.ts"
import classes from "./Conflicts.module.css"

const pageLimit = 20

/** What two devices changed without knowing of each other, side by side. */
const Conflicts = () => {
  const backend = useLocal()
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    queryKey: ["conflicts"],
    queryFn: ({ pageParam }) => backend.conversations.conflicts({ limit: pageLimit, ...(pageParam === "" ? {} : { cursor: pageParam }) }),
    initialPageParam: "",
    getNextPageParam: ({ next }) => next
  })
  return (
    <Page title="Conflicts" line="Where two devices changed the same message without knowing of each other, the later one is shown everywhere. The other is never lost: choose here which one stays." wide>
      <Asked of={{ data: data?.pages.flatMap(({ items }) => items), error, refetch }}>
        {(all) => all.length === 0
          ? <Empty icon={<IconGitMerge size={28} stroke={1.5} />} title="Nobody disagrees">When two devices change the same message while apart, both versions appear here.</Empty>
          : all.map((conflict) => <Sides key={`${conflict.conversation_id} ${conflict.message_id}`} conflict={conflict} />)}
      </Asked>
      {hasNextPage ? <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>Show more</Button> : null}
    </Page>
  )
}
export default Conflicts

const Sides = ({ conflict: { conversation_id, losing, message_id, shown } }: { readonly conflict: Conflict }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const about = useQuery({ queryKey: ["conversation", conversation_id], queryFn: () => backend.conversations.get(conversation_id) })
  const settle = useMutation({
    // a deletion says nothing that could be written again: it is made again
    mutationFn: async ({ content, event_id }: Write) => {
      if (content === null) await backend.conversations.removeMessage(conversation_id, message_id)
      else await backend.conversations.restore(conversation_id, message_id, event_id)
    },
    onSuccess: async () => {
      say("Settled here, and on your other devices as they hear of it.")
      await queries.invalidateQueries()
      focusMain()
    },
    onError: sayProblem
  })
  const choose = (write: Write) => ({ write, busy: settle.isPending && settle.variables.event_id === write.event_id, onChoose: () => settle.mutate(write) })
  return (
    <article className={classes["conflict"]}>
      <h2 className={classes["title"]}><a href={hrefOf("conversations", conversation_id)} dir="auto">{about.data === undefined ? conversation_id : titleOf(about.data)}</a></h2>
      <div className={classes["sides"]}>
        <Side {...choose(shown)} label="Shown now" act={shown.content === null ? "Keep it deleted" : "Keep this one"} current />
        {losing.map((write) => <Side key={write.event_id} {...choose(write)} label="The other version" act={write.content === null ? "Delete it" : "Use this one"} />)}
      </div>
    </article>
  )
}

interface SideProps {
  readonly write: Write
  readonly label: string
  readonly act: string
  readonly busy: boolean
  readonly onChoose: () => void
  readonly current?: boolean
}

const Side = ({ act, busy, current = false, label, onChoose, write }: SideProps) => (
  <section className={classes["side"]} data-current={current || undefined} aria-label={label}>
    <header className={classes["head"]}><span className={classes["label"]}>{label}</span><WrittenBy write={write} /></header>
    <div className={classes["text"]}>{write.content === null ? <p className={classes["gone"]}>{current ? "Deleted" : "Deleted there"}</p> : <MessageText text={write.content} />}</div>
    <Button size="xs" variant={current ? "default" : "filled"} loading={busy} onClick={onChoose}>{act}</Button>
  </section>
)
