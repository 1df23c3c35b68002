import { Button, Code, CopyButton, Group, Text } from "@mantine/core"
import { useMutation } from "@tanstack/react-query"
import { sayProblem } from "../../live/say.ts"
import { Section } from "../../parts/Page.tsx"
import { useLocal } from "../LocalBackend.ts"
import classes from "./Devices.module.css"

/** Let an app or an extension on this machine join: it may read and write conversations, nothing else. */
export const CompanionCode = () => {
  const backend = useLocal()
  const make = useMutation({ mutationFn: () => backend.companionCode(), onError: sayProblem })
  return (
    <Section title="Add an app or an extension" line="It becomes a companion of this machine and may read and write conversations, nothing else." aside={<Button variant="default" size="xs" loading={make.isPending} onClick={() => make.mutate()}>Make a code</Button>}>
      {make.data === undefined ? null : (
        <div>
          <Group gap="sm" wrap="nowrap" align="flex-start">
            <Code block className={classes["code"] ?? ""}>{make.data.url}</Code>
            <CopyButton value={make.data.url}>{({ copied, copy }) => <Button size="xs" variant="default" onClick={copy}>{copied ? "Copied" : "Copy"}</Button>}</CopyButton>
          </Group>
          <Text size="xs" c="dimmed" mt={6}>A secret, good once and for five minutes.</Text>
        </div>
      )}
    </Section>
  )
}
