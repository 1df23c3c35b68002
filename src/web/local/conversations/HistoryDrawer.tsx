import { Badge, Button, Drawer, Group, Stack, Text } from "@mantine/core"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { Write, Message } from "../../../sdk/typescript/owner/index.ts"
import { say, sayProblem } from "../../live/say.ts"
import { Asked } from "../../parts/Asked.tsx"
import { Ago } from "../../parts/Ago.tsx"
import { MessageText } from "../../parts/MessageText.tsx"
import { useLocal } from "../LocalBackend.ts"
import { useOwnId } from "../status.ts"
import classes from "./HistoryDrawer.module.css"
import { reasons } from "./TierMark.tsx"

interface HistoryProps {
  readonly conversation: string
  readonly message: Message | undefined
  readonly close: () => void
}

/** Everything that was ever written of one message, newest first, each a click away from being shown again. */
export const HistoryDrawer = ({ close, conversation, message }: HistoryProps) => (
  <Drawer opened={message !== undefined} onClose={close} returnFocus={false} position="right" size="lg" title="History" closeButtonProps={{ "aria-label": "Close" }}>
    {message === undefined ? null : <Writes conversation={conversation} message={message.id} close={close} />}
  </Drawer>
)

const Writes = ({ close, conversation, message }: { readonly conversation: string; readonly message: string; readonly close: () => void }) => {
  const backend = useLocal()
  const queries = useQueryClient()
  const asked = useQuery({ queryKey: ["history", conversation, message], queryFn: () => backend.conversations.history(conversation, message) })
  const restore = useMutation({
    mutationFn: (event: string) => backend.conversations.restore(conversation, message, event),
    onSuccess: async () => {
      await queries.invalidateQueries()
      say("Restored. What it replaced stays in the history.")
      close()
    },
    onError: sayProblem
  })
  return (
    <Asked of={asked}>
      {(writes) => (
        <Stack component="ol" gap="sm" className={classes["writes"] ?? ""}>
          {writes.map((write) => (
            <li key={write.event_id} className={classes["write"]} data-current={write.current || undefined}>
              <Group gap="xs" mb={4} wrap="nowrap">
                <Text size="sm" fw={600}>{kinds[write.type] ?? write.type}</Text>
                <WrittenBy write={write} />
                <span className={classes["end"]}>
                  {write.current
                    ? <Badge variant="light">Shown now</Badge>
                    : write.content === null ? null : <Button size="compact-xs" variant="default" loading={restore.isPending && restore.variables === write.event_id} onClick={() => restore.mutate(write.event_id)}>Restore</Button>}
                </span>
              </Group>
              {write.withheld === undefined ? null : <Text size="xs" c="dimmed">Kept on this machine. {reasons[write.withheld] ?? `Hosted does not take it: ${write.withheld}.`}</Text>}
              {write.content === null ? null : <MessageText text={write.content} />}
            </li>
          ))}
        </Stack>
      )}
    </Asked>
  )
}

const kinds: Readonly<Record<string, string>> = { "message.appended": "Written", "message.edited": "Edited", "message.deleted": "Deleted" }

/** When, and on which device. */
export const WrittenBy = ({ write }: { readonly write: Write }) => {
  const own = useOwnId()
  return <Text size="xs" c="dimmed"><Ago at={write.stamp.time} /> · {write.source_backend_id === own ? "this machine" : devices[write.source_backend] ?? write.source_backend} · {write.surface}</Text>
}

const devices: Readonly<Record<string, string>> = { local: "another computer", hosted: "hosted", ios_local: "iPhone or iPad", android_local: "Android", web: "a browser" }
