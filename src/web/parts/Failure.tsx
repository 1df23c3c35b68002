import { Button, Center, Stack, Text, Title } from "@mantine/core"
import { IconPlugConnectedX } from "@tabler/icons-react"
import { MaestraError } from "../../sdk/typescript/problems.ts"
import { Said, SaidProblem } from "./Said.tsx"

/** Something could not be read: what, what to do, and a way to try again. */
export const Failure = ({ again, error, whole = false }: { readonly error: Error; readonly again: () => void; readonly whole?: boolean }) => {
  const isMissing = error instanceof MaestraError && error.status === 404
  return (
    <Center h={whole ? "100%" : undefined} p="xl">
      <Stack gap="xs" align="center" maw={420} ta="center" role="alert">
        <IconPlugConnectedX size={36} stroke={1.4} aria-hidden />
        <Title order={2}>{isMissing ? "Not here" : error instanceof MaestraError && error.kind === "unreachable" ? "The backend does not answer" : "That did not work"}</Title>
        <Text c="dimmed" size="sm">{isMissing ? <Said text={error.hint} /> : <SaidProblem error={error} />}</Text>
        <Button mt="sm" variant="default" onClick={again}>Try again</Button>
      </Stack>
    </Center>
  )
}
