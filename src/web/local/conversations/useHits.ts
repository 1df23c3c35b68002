import { useDebouncedValue } from "@mantine/hooks"
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { useLocal } from "../LocalBackend.ts"

/** After the last key. Milliseconds. */
const typingMillis = 150
/** One letter is in everything. */
const lettersMin = 2
/** More than anybody reads through; another word leaves fewer. */
const limit = 100

/** What messages say of the words typed; nothing while there are none. */
export const useHits = (typed: string) => {
  const backend = useLocal()
  const [words] = useDebouncedValue(typed.trim(), typingMillis)
  const asks = words.length >= lettersMin && typed.trim() !== ""
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["search", words],
    queryFn: ({ signal }) => backend.conversations.search(words, { limit }, signal),
    enabled: asks,
    placeholderData: keepPreviousData,
    staleTime: 0
  })
  // a title has a row of its own already
  const hits = asks ? (data?.items ?? []).filter(({ message_id }) => message_id !== null) : []
  return { hits, more: asks && data?.next != null, behind: asks && data?.behind === true, error: asks ? error : null, waits: asks && (isFetching || words !== typed.trim()), again: refetch }
}
