import { Button, Group, Modal, Stack, Textarea, TextInput } from "@mantine/core"
import { useMutation } from "@tanstack/react-query"
import { type FormEvent, useRef, useState } from "react"
import { sayProblem } from "../../live/say.ts"
import { go } from "../../navigation/route.ts"
import { useLocal } from "../LocalBackend.ts"

/** A title, a first message, or both. */
export const NewConversation = ({ close, opened }: { readonly opened: boolean; readonly close: () => void }) => {
  const backend = useLocal()
  const [title, setTitle] = useState("")
  const [content, setContent] = useState("")
  /** What was tried last and did not come through whole: the same goes again under the same ids, and is written once. */
  const tried = useRef({ conversation: "", message: "", about: "" })
  const begin = useMutation({
    mutationFn: async () => {
      const about = JSON.stringify([title.trim(), content])
      if (tried.current.about !== about) tried.current = { conversation: crypto.randomUUID(), message: crypto.randomUUID(), about }
      const { conversation, message } = tried.current
      await backend.conversations.create(title.trim(), conversation)
      if (content !== "") await backend.conversations.append(conversation, { id: message, role: "user", content })
      return conversation
    },
    onSuccess: (id) => {
      tried.current = { conversation: "", message: "", about: "" }
      setTitle("")
      setContent("")
      close()
      go("conversations", id)
    },
    onError: sayProblem
  })
  const empty = title.trim() === "" && content === ""
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!empty && !begin.isPending) begin.mutate()
  }
  return (
    <Modal opened={opened} onClose={close} title="New conversation" closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <TextInput label="Title" value={title} maxLength={500} onChange={(event) => setTitle(event.currentTarget.value)} data-autofocus />
          <Textarea label="First message" value={content} autosize minRows={4} maxRows={12} onChange={(event) => setContent(event.currentTarget.value)} />
          <Group justify="flex-end"><Button type="submit" disabled={empty} loading={begin.isPending}>Begin</Button></Group>
        </Stack>
      </form>
    </Modal>
  )
}
