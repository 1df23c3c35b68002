import { IconMessages } from "@tabler/icons-react"
import { Empty } from "../../parts/Empty.tsx"
import { Catch } from "../../parts/Catch.tsx"
import classes from "./Conversations.module.css"
import { ConversationList } from "./ConversationList.tsx"
import { Reading } from "./Reading.tsx"

/** The list and, beside it or instead of it, the conversation that is read, from `message` on where one was looked for. */
export const Conversations = ({ id, message }: { readonly id: string | undefined; readonly message: string | undefined }) => (
  <div className={classes["split"]} data-reading={id !== undefined || undefined}>
    <section className={classes["list"]} aria-label="Conversations"><ConversationList reading={id} message={message} /></section>
    <section className={classes["reading"]} aria-label="Conversation">
      {id === undefined
        ? <Empty icon={<IconMessages size={28} stroke={1.5} />} title="Nothing open">Choose a conversation, or begin a new one. What you write is kept on this machine first.</Empty>
        : <Catch key={id}><Reading id={id} message={message} /></Catch>}
    </section>
  </div>
)
