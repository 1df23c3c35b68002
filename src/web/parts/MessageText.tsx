import { Button } from "@mantine/core"
import { memo, useState } from "react"
import { Markdown } from "./Markdown.tsx"
import classes from "./MessageText.module.css"

/** Longer texts are shown as they are, and cut until asked for: laying out half a megabyte takes seconds. Characters. */
const markdownMax = 20_000
const cutAt = 4000

/** What somebody wrote: Markdown without HTML and without images, or plain where it is long. */
export const MessageText = memo(({ text }: { readonly text: string }) => {
  const [whole, setWhole] = useState(false)
  if (text.length <= markdownMax) {
    return <div className={classes["text"]} dir="auto"><Markdown text={text} /></div>
  }
  return (
    <div className={classes["text"]} dir="auto">
      <p className={classes["plain"]}>{whole ? text : `${text.slice(0, cutAt)}…`}</p>
      {whole ? null : <Button size="compact-sm" variant="default" onClick={() => setWhole(true)}>Show all {text.length.toLocaleString("en")} characters</Button>}
    </div>
  )
})
MessageText.displayName = "MessageText"
