import { ActionIcon, Button, Group, Menu, Modal, TextInput } from "@mantine/core"
import { IconArrowLeft, IconDots, IconPencil, IconTrash } from "@tabler/icons-react"
import { useMutation } from "@tanstack/react-query"
import { type FormEvent, useRef, useState } from "react"
import type { Conversation } from "../../../sdk/typescript/owner/index.ts"
import { say, sayProblem } from "../../live/say.ts"
import { focusMain, go, hrefOf } from "../../navigation/route.ts"
import { Confirm } from "../../parts/Confirm.tsx"
import { useLocal } from "../LocalBackend.ts"
import { titleOf } from "./ConversationRow.tsx"
import { SharedForm } from "./SharedForm.tsx"
import classes from "./Reading.module.css"

/** The title, where it was written, and what can be done with the whole conversation. */
export const ReadingHead = ({ conversation }: { readonly conversation: Conversation }) => {
  const [asks, setAsks] = useState<"rename" | "remove" | undefined>(undefined)
  const title = titleOf(conversation)
  const more = useRef<HTMLButtonElement>(null)
  // the menu that a dialog was opened from is gone by then, its button is not
  const close = () => {
    setAsks(undefined)
    more.current?.focus()
  }
  return (
    <header className={classes["head"]}>
      <ActionIcon component="a" href={hrefOf("conversations")} className={classes["back"] ?? ""} variant="subtle" color="gray" size="lg" aria-label="Back to all conversations"><IconArrowLeft size={20} /></ActionIcon>
      <div className={classes["heading"]}>
        <h2 className={classes["title"]} dir="auto">{title}</h2>
        <p className={classes["about"]}>
          {conversation.messages.length === 1 ? "1 message" : `${conversation.messages.length} messages`}
          {conversation.surfaces.length === 0 ? "" : ` · ${conversation.surfaces.join(", ")}`}
          {conversation.shared?.title === undefined ? null : <SharedForm text={conversation.shared.title} what="title" />}
        </p>
      </div>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target><ActionIcon ref={more} variant="subtle" color="gray" size="lg" aria-label="More about this conversation"><IconDots size={20} /></ActionIcon></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => setAsks("rename")}>Rename</Menu.Item>
          <Menu.Item leftSection={<IconTrash size={16} />} color="red" onClick={() => setAsks("remove")}>Delete</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asks === "rename" ? <Rename conversation={conversation} close={close} /> : null}
      <Remove opened={asks === "remove"} conversation={conversation} close={close} />
    </header>
  )
}

const Rename = ({ close, conversation }: { readonly conversation: Conversation; readonly close: () => void }) => {
  const backend = useLocal()
  const [title, setTitle] = useState(conversation.title ?? "")
  const rename = useMutation({ mutationFn: () => backend.conversations.rename(conversation.conversation_id, title), onSuccess: close, onError: sayProblem })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!rename.isPending) rename.mutate()
  }
  return (
    <Modal opened onClose={close} returnFocus={false} title="Rename" closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <TextInput label="Title" value={title} onChange={(event) => setTitle(event.currentTarget.value)} data-autofocus />
        <Group justify="flex-end" mt="md"><Button type="submit" loading={rename.isPending}>Rename</Button></Group>
      </form>
    </Modal>
  )
}

const Remove = ({ close, conversation, opened }: { readonly opened: boolean; readonly conversation: Conversation; readonly close: () => void }) => {
  const backend = useLocal()
  const remove = useMutation({
    mutationFn: () => backend.conversations.remove(conversation.conversation_id),
    onSuccess: () => {
      close()
      go("conversations")
      focusMain()
      say("Deleted here, and on your other devices as they hear of it.")
    },
    onError: sayProblem
  })
  return (
    <Confirm opened={opened} close={close} returnFocus={false} title="Delete this conversation?" act="Delete" danger busy={remove.isPending} onAct={() => remove.mutate()}>
      It goes from the lists of all your devices. Writing into it again brings it back.
    </Confirm>
  )
}
