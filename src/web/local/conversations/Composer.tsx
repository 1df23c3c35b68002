import { ActionIcon, Textarea, Tooltip } from "@mantine/core"
import { IconArrowUp } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, type KeyboardEvent, useState } from "react"
import { sayProblem } from "../../live/say.ts"
import { useLocal } from "../LocalBackend.ts"
import classes from "./Reading.module.css"

/** Where the next message is written. It is fsynced on this machine before the field is empty again. */
export const Composer = ({ id }: { readonly id: string }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const [content, setContent] = useState("")
  const send = useMutation({
    mutationFn: (said: string) => backend.conversations.append(id, { id: crypto.randomUUID(), role: "user", content: said }),
    onSuccess: async () => {
      setContent("")
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
        <Textarea className={classes["field"] ?? ""} aria-label="Write a message" placeholder="Write a message" autosize minRows={1} maxRows={10} size="md" radius="lg" value={content} onKeyDown={keys} onChange={(event) => setContent(event.currentTarget.value)} />
        <Tooltip label="Send (Enter; Shift and Enter for a new line)">
          <ActionIcon type="submit" size={42} radius="xl" aria-label="Send" disabled={content.trim() === ""} loading={send.isPending}><IconArrowUp size={20} stroke={2} /></ActionIcon>
        </Tooltip>
      </div>
    </form>
  )
}
