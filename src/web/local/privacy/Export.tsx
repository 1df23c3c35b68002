import { Button } from "@mantine/core"
import { IconDownload } from "@tabler/icons-react"
import { useMutation } from "@tanstack/react-query"
import { pause } from "../../live/time.ts"
import { sayProblem } from "../../live/say.ts"
import { Section } from "../../parts/Page.tsx"
import { useLocal } from "../LocalBackend.ts"

/** Everything this machine holds, as one archive that `maestra import` takes back. */
export const Export = () => {
  const backend = useLocal()
  const save = useMutation({
    mutationFn: async () => saveAs("maestra-export.tar.gz", await new Response((await backend.archiveStream()).pipeThrough(new CompressionStream("gzip"))).blob()),
    onError: sayProblem
  })
  return (
    <Section title="Your data" line={<>Everything this machine holds, in the clear: conversations with their history, settings, devices, telemetry. A README in it says what is what; <code>npx maestra import</code> takes it back.</>} aside={<Button variant="default" size="xs" leftSection={<IconDownload size={15} />} loading={save.isPending} onClick={() => save.mutate()}>Download</Button>} />
  )
}

/** Some browsers read it only some time after the click, and save nothing where it is gone by then. Milliseconds. */
const heldForMillis = 5 * 60_000

const saveAs = (name: string, content: Blob): void => {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  void pause(heldForMillis, new AbortController().signal).then(() => URL.revokeObjectURL(link.href))
}
