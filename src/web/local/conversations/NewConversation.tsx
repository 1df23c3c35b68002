import { Button, Group, Modal, Stack, Textarea, TextInput } from "@mantine/core"
import { useMutation } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { sayProblem } from "../../live/say.ts"
import { go } from "../../navigation/route.ts"
import { useLocal } from "../LocalBackend.ts"

/** A title, a first message, or both. */
export const NewConversation = ({ close, opened }: { readonly opened: boolean; readonly close: () => void }) => {
  const backend = useLocal()
  const [title, setTitle] = useState("")
  const [content, setContent] = useState("")
  const begin = useMutation({
    mutationFn: async () => {
      const { conversation_id } = await backend.conversations.create(title.trim())
      if (content !== "") await backend.conversations.append(conversation_id, { id: crypto.randomUUID(), role: "user", content })
      return conversation_id
    },
    onSuccess: (id) => {
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
    if (!empty) begin.mutate()
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
