import { Popover, Text, UnstyledButton } from "@mantine/core"
import { IconEyeOff } from "@tabler/icons-react"
import classes from "./SharedForm.module.css"

/** Where redaction changed what left this machine: what others see. */
export const SharedForm = ({ text, what }: { readonly text: string; readonly what: string }) => (
  <Popover width={320} position="bottom" withinPortal shadow="md">
    <Popover.Target>
      <UnstyledButton className={classes["mark"] ?? ""} aria-label={`Redacted for others: what others see of this ${what}`}><IconEyeOff size={14} stroke={1.8} aria-hidden /> Redacted for others</UnstyledButton>
    </Popover.Target>
    <Popover.Dropdown>
      <Text size="xs" c="dimmed" mb={4}>Other devices and hosted see</Text>
      <Text size="sm" className={classes["text"] ?? ""}>{text}</Text>
    </Popover.Dropdown>
  </Popover>
)
