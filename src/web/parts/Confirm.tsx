import { Button, Group, Modal, Text } from "@mantine/core"
import type { ReactNode } from "react"

interface ConfirmProps {
  readonly opened: boolean
  readonly close: () => void
  readonly title: string
  /** The word on the button that does it. */
  readonly act: string
  readonly onAct: () => void
  readonly danger?: boolean
  readonly busy?: boolean
  readonly disabled?: boolean
  /** False: `close` sees to where the keyboard goes on, because what it was opened from is gone by then: an item of a menu. */
  readonly returnFocus?: boolean
  readonly children: ReactNode
}

/** Before something that cannot be taken back by a click. */
export const Confirm = ({ act, busy = false, children, close, danger = false, disabled = false, onAct, opened, returnFocus = true, title }: ConfirmProps) => (
  <Modal opened={opened} onClose={close} returnFocus={returnFocus} title={title} centered closeButtonProps={{ "aria-label": "Close" }}>
    <Text size="sm" c="dimmed" component="div">{children}</Text>
    <Group justify="flex-end" gap="sm" mt="lg">
      <Button variant="default" onClick={close}>Cancel</Button>
      <Button color={danger ? "red.8" : "sea"} loading={busy} disabled={disabled} onClick={onAct}>{act}</Button>
    </Group>
  </Modal>
)
