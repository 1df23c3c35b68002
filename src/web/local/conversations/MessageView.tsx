import { ActionIcon, Button, Group, Menu, Textarea } from "@mantine/core"
import { IconDots, IconGitMerge, IconHistory, IconPencil, IconTrash } from "@tabler/icons-react"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type KeyboardEvent, memo, type RefObject, useRef, useState } from "react"
import type { Message } from "../../../sdk/typescript/owner/index.ts"
import { type Draft, dropDraft, setDraft, useDraft } from "../../live/drafts.ts"
import { sayProblem } from "../../live/say.ts"
import { focusMain, hrefOf } from "../../navigation/route.ts"
import { Ago } from "../../parts/Ago.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { MessageText } from "../../parts/MessageText.tsx"
import { useLocal } from "../LocalBackend.ts"
import type { Waits } from "../status.ts"
import classes from "./MessageView.module.css"
import { SharedForm } from "./SharedForm.tsx"
import { TierMark } from "./TierMark.tsx"

interface MessageProps {
  readonly conversation: string
  readonly message: Message
  readonly waits: Waits
  /** `from`: where the reader is when it is closed again. */
  readonly onHistory: (message: Message, from: HTMLElement | null) => void
}

const roles: Readonly<Record<string, string>> = { user: "You", assistant: "Assistant", system: "System" }

/** One message: who, when, from where, how far it has come, and what it says. */
export const MessageView = memo(({ conversation, message, onHistory, waits }: MessageProps) => {
  const place = `edit ${conversation} ${message.id}`
  const draft = useDraft(place)
  const more = useRef<HTMLButtonElement>(null)
  /** Whether the field is there because the reader just asked for it, and not because it came back into sight. */
  const [asked, setAsked] = useState(false)
  const begin = () => {
    setAsked(true)
    setDraft(place, { text: message.content, version: message.version })
  }
  const close = () => {
    setAsked(false)
    dropDraft(place)
    more.current?.focus()
  }
  return (
    <article className={classes["message"]} data-role={message.role}>
      <header className={classes["head"]}>
        <span className={classes["who"]}>{roles[message.role] ?? message.role}</span>
        <span className={classes["about"]}><Ago at={message.timestamp} /> · {message.surface}</span>
        {message.shared?.content === undefined ? null : <SharedForm text={message.shared.content} what="message" />}
        <span className={classes["end"]}>
          <TierMark message={message} waits={waits} />
          <Actions conversation={conversation} message={message} more={more} onEdit={begin} onHistory={() => onHistory(message, more.current)} />
        </span>
      </header>
      {draft === undefined ? <MessageText text={message.content} /> : <Edit conversation={conversation} message={message} draft={draft} write={(text) => setDraft(place, { ...draft, text })} close={close} focused={asked} />}
      {message.conflicted === true
        ? <a className={classes["conflict"]} href={hrefOf("conflicts")}><IconGitMerge size={15} aria-hidden /> Two devices changed this. See both.</a>
        : null}
    </article>
  )
})
MessageView.displayName = "MessageView"

const Actions = ({ conversation, message, more, onEdit, onHistory }: { readonly conversation: string; readonly message: Message; readonly more: RefObject<HTMLButtonElement | null>; readonly onEdit: () => void; readonly onHistory: () => void }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const [removes, setRemoves] = useState(false)
  const leave = () => {
    setRemoves(false)
    more.current?.focus()
  }
  const remove = useMutation({
    mutationFn: () => backend.conversations.removeMessage(conversation, message.id),
    onSuccess: async () => {
      setRemoves(false)
      await queries.invalidateQueries({ queryKey: ["conversation"] })
      focusMain()
    },
    onError: sayProblem
  })
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target><ActionIcon ref={more} variant="subtle" color="gray" size="md" aria-label="More about this message"><IconDots size={17} /></ActionIcon></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>Edit</Menu.Item>
          <Menu.Item leftSection={<IconHistory size={16} />} onClick={onHistory}>History</Menu.Item>
          <Menu.Item leftSection={<IconTrash size={16} />} color="red" onClick={() => setRemoves(true)}>Delete</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Confirm opened={removes} close={leave} returnFocus={false} title="Delete this message?" act="Delete" danger busy={remove.isPending} onAct={() => remove.mutate()}>
        It goes from all your devices. Its history stays, and can be restored from there.
      </Confirm>
    </>
  )
}

interface EditProps {
  readonly conversation: string
  readonly message: Message
  readonly draft: Draft
  readonly write: (text: string) => void
  readonly close: () => void
  readonly focused: boolean
}

const Edit = ({ close, conversation, draft, focused, message, write }: EditProps) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const edit = useMutation({
    mutationFn: () => backend.conversations.edit(conversation, message.id, draft.text),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["conversation"] })
      close()
    },
    onError: sayProblem
  })
  const save = () => {
    if (draft.text !== message.content && !edit.isPending) edit.mutate()
  }
  const keys = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return
    if (event.key === "Escape") close()
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save()
  }
  return (
    <>
      <Textarea aria-label="Edit the message" value={draft.text} autosize minRows={2} maxRows={24} onKeyDown={keys} onChange={(event) => write(event.currentTarget.value)} autoFocus={focused} />
      {draft.version === message.version ? null : <p className={classes["meanwhile"]} role="status">Somebody changed this message while you were writing. Saving replaces what they wrote; the history keeps it.</p>}
      <Group gap="xs" mt="xs" justify="flex-end">
        <Button size="xs" variant="default" onClick={close}>Cancel</Button>
        <Button size="xs" loading={edit.isPending} disabled={draft.text === message.content} onClick={save}>Save</Button>
      </Group>
    </>
  )
}
