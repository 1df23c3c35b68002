import { ActionIcon, Button, Group, Menu, Textarea } from "@mantine/core"
import { IconDots, IconGitMerge, IconHistory, IconPencil, IconTrash } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type KeyboardEvent, memo, useState } from "react"
import type { Message } from "../../../sdk/typescript/owner/index.ts"
import { sayProblem } from "../../live/say.ts"
import { hrefOf } from "../../navigation/route.ts"
import { Ago } from "../../parts/Ago.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { MessageText } from "../../parts/MessageText.tsx"
import { useLocal } from "../LocalBackend.ts"
import classes from "./MessageView.module.css"
import { SharedForm } from "./SharedForm.tsx"
import { TierMark } from "./TierMark.tsx"

interface MessageProps {
  readonly conversation: string
  readonly message: Message
  readonly onHistory: (message: Message) => void
}

const roles: Readonly<Record<string, string>> = { user: "You", assistant: "Assistant", system: "System" }

/** One message: who, when, from where, how far it has come, and what it says. */
export const MessageView = memo(({ conversation, message, onHistory }: MessageProps) => {
  const [edits, setEdits] = useState(false)
  return (
    <article className={classes["message"]} data-role={message.role}>
      <header className={classes["head"]}>
        <span className={classes["who"]}>{roles[message.role] ?? message.role}</span>
        <span className={classes["about"]}><Ago at={message.timestamp} /> · {message.surface}</span>
        {message.shared?.content === undefined ? null : <SharedForm text={message.shared.content} what="message" />}
        <span className={classes["end"]}>
          <TierMark tier={message.tier} />
          <Actions conversation={conversation} message={message} onEdit={() => setEdits(true)} onHistory={() => onHistory(message)} />
        </span>
      </header>
      {edits ? <Edit conversation={conversation} message={message} close={() => setEdits(false)} /> : <MessageText text={message.content} />}
      {message.conflicted === true
        ? <a className={classes["conflict"]} href={hrefOf("conflicts")}><IconGitMerge size={15} aria-hidden /> Two devices changed this. See both.</a>
        : null}
    </article>
  )
})
MessageView.displayName = "MessageView"

const Actions = ({ conversation, message, onEdit, onHistory }: { readonly conversation: string; readonly message: Message; readonly onEdit: () => void; readonly onHistory: () => void }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const [removes, setRemoves] = useState(false)
  const remove = useMutation({
    mutationFn: () => backend.conversations.removeMessage(conversation, message.id),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["conversation"] }),
    onError: sayProblem
  })
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target><ActionIcon variant="subtle" color="gray" size="md" aria-label="More about this message"><IconDots size={17} /></ActionIcon></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>Edit</Menu.Item>
          <Menu.Item leftSection={<IconHistory size={16} />} onClick={onHistory}>History</Menu.Item>
          <Menu.Item leftSection={<IconTrash size={16} />} color="red" onClick={() => setRemoves(true)}>Delete</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Confirm opened={removes} close={() => setRemoves(false)} title="Delete this message?" act="Delete" danger busy={remove.isPending} onAct={() => remove.mutate()}>
        It goes from all your devices. Its history stays, and can be restored from there.
      </Confirm>
    </>
  )
}

const Edit = ({ close, conversation, message }: { readonly conversation: string; readonly message: Message; readonly close: () => void }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const [content, setContent] = useState(message.content)
  const edit = useMutation({
    mutationFn: () => backend.conversations.edit(conversation, message.id, content),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["conversation"] })
      close()
    },
    onError: sayProblem
  })
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Escape") close()
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) edit.mutate()
  }
  return (
    <>
      <Textarea aria-label="Edit the message" value={content} autosize minRows={2} maxRows={24} onKeyDown={keys} onChange={(event) => setContent(event.currentTarget.value)} autoFocus />
      <Group gap="xs" mt="xs" justify="flex-end">
        <Button size="xs" variant="default" onClick={close}>Cancel</Button>
        <Button size="xs" loading={edit.isPending} disabled={content === message.content} onClick={() => edit.mutate()}>Save</Button>
      </Group>
    </>
  )
}
