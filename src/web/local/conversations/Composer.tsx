import { ActionIcon, Textarea, Tooltip } from "@mantine/core"
import { IconArrowUp } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, type KeyboardEvent, useRef } from "react"
import { draftAt, dropDraft, setDraft, useDraft } from "../../live/drafts.ts"
import { sayProblem } from "../../live/say.ts"
import { useLocal } from "../LocalBackend.ts"
import classes from "./Reading.module.css"

/** Where the next message is written. It is fsynced on this machine before the field is empty again. */
export const Composer = ({ id }: { readonly id: string }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const place = `message ${id}`
  const content = useDraft(place)?.text ?? ""
  /** What was sent last and not answered: the same text goes again as the same message, which is written once. */
  const unanswered = useRef({ id: "", said: "" })
  const send = useMutation({
    mutationFn: (said: string) => {
      if (unanswered.current.said !== said) unanswered.current = { id: crypto.randomUUID(), said }
      return backend.conversations.append(id, { id: unanswered.current.id, role: "user", content: said })
    },
    onSuccess: async (_, said) => {
      unanswered.current = { id: "", said: "" }
      // what was typed meanwhile is the beginning of the next one
      const now = draftAt(place)?.text ?? ""
      if (now === said) dropDraft(place)
      else if (now.startsWith(said)) setDraft(place, { text: now.slice(said.length) })
      await queries.invalidateQueries({ queryKey: ["conversation"] })
    },
    onError: sayProblem
  })
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (content.trim() !== "" && !send.isPending) send.mutate(content)
  }
  const keys = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    submit()
  }
  return (
    <form className={classes["composer"]} onSubmit={submit}>
      <div className={classes["inner"]}>
        <Textarea className={classes["field"] ?? ""} aria-label="Write a message" placeholder="Write a message" autosize minRows={1} maxRows={10} size="md" radius="lg" value={content} onKeyDown={keys} onChange={(event) => setDraft(place, { text: event.currentTarget.value })} />
        <Tooltip label="Send (Enter; Shift and Enter for a new line)">
          <ActionIcon type="submit" size={42} radius="xl" aria-label="Send" disabled={content.trim() === ""} loading={send.isPending}><IconArrowUp size={20} stroke={2} /></ActionIcon>
        </Tooltip>
      </div>
    </form>
  )
}
