import { Skeleton, Stack } from "@mantine/core"
import { IconMessageOff } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import type { Conversation } from "../../../sdk/typescript/owner/index.ts"
import { MaestraError } from "../../../sdk/typescript/problems.ts"
import { Empty } from "../../parts/Empty.tsx"
import { Failure } from "../../parts/Failure.tsx"
import { type Here, useLocal } from "../LocalBackend.ts"
import { Composer } from "./Composer.tsx"
import { Messages } from "./Messages.tsx"
import { ReadingHead } from "./ReadingHead.tsx"

/** How far messages have come is told by no event: while one is on its way, it is asked, milliseconds. */
const tierEveryMillis = { short: 2000, long: 15_000 }
/** Messages in a conversation that is asked for less often. */
const longFrom = 500

export const conversationQuery = (backend: Here, id: string) => ({
  queryKey: ["conversation", id],
  queryFn: () => backend.conversations.get(id),
  refetchInterval: (query: { readonly state: { readonly data: Conversation | undefined } }) => {
    const messages = query.state.data?.messages ?? []
    if (messages.every(({ tier }) => tier === "everywhere")) return false
    return messages.length > longFrom ? tierEveryMillis.long : tierEveryMillis.short
  }
})

/** One conversation: its title, its messages, and where the next one is written. */
export const Reading = ({ id, message }: { readonly id: string; readonly message: string | undefined }) => {
  const backend = useLocal()
  const { data, error, refetch } = useQuery(conversationQuery(backend, id))
  if (error instanceof MaestraError && error.status === 404) {
    return <Empty icon={<IconMessageOff size={28} stroke={1.5} />} title="Not here">This conversation was deleted, or was never on this machine.</Empty>
  }
  if (data === undefined) return error === null ? <Waiting /> : <Failure error={error} again={() => void refetch()} />
  return (
    <>
      <ReadingHead conversation={data} />
      <Messages conversation={data} sought={message} />
      <Composer id={data.conversation_id} />
    </>
  )
}

const Waiting = () => (
  <Stack p="xl" gap="lg" aria-hidden>
    <Skeleton height={24} width="40%" radius="md" />
    <Skeleton height={64} width="70%" radius="md" />
    <Skeleton height={92} width="80%" radius="md" />
  </Stack>
)
