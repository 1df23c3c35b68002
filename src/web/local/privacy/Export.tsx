import { Button } from "@mantine/core"
import { IconDownload } from "@tabler/icons-react"
import { useMutation } from "@tanstack/react-query"
import { sayProblem } from "../../live/say.ts"
import { Section } from "../../parts/Page.tsx"
import { useLocal } from "../LocalBackend.ts"

/** Everything, as a file that `maestra import` reads. */
export const Export = () => {
  const backend = useLocal()
  const save = useMutation({
    mutationFn: async () => saveAs("maestra-conversations.jsonl", await new Response(await backend.exportStream()).blob()),
    onError: sayProblem
  })
  return (
    <Section title="Your data" line={<>Every conversation as JSON lines, in the clear. <code>npx maestra import</code> reads it again.</>} aside={<Button variant="default" size="xs" leftSection={<IconDownload size={15} />} loading={save.isPending} onClick={() => save.mutate()}>Download</Button>}>
      <span />
    </Section>
  )
}

const saveAs = (name: string, content: Blob): void => {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
