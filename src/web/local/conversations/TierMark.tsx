import { Tooltip } from "@mantine/core"
import { IconCheck, IconChecks, IconLock, IconWorldCheck } from "@tabler/icons-react"
import type { Message } from "../../../sdk/typescript/owner/index.ts"
import type { Waits } from "../status.ts"
import classes from "./TierMark.module.css"

/** How far a message has come. `waits`: why what is only here is not sent yet. */
export const TierMark = ({ message, waits }: { readonly message: Pick<Message, "tier" | "withheld">; readonly waits: Waits }) => {
  const { icon: Icon, line, look, word } = markOf(message, waits)
  return (
    <Tooltip label={line} multiline maw={300} events={{ hover: true, focus: true, touch: true }}>
      <span className={classes["tier"]} data-tier={look}><Icon size={16} stroke={1.8} aria-hidden /><span className={classes["word"]}>{word}</span></span>
    </Tooltip>
  )
}

const markOf = ({ tier, withheld }: Pick<Message, "tier" | "withheld">, waits: Waits) =>
  withheld !== undefined
    ? { icon: IconLock, look: "kept", word: "Kept here", line: reasons[withheld] ?? `Hosted does not take it: ${withheld}.` }
    : tier === "everywhere"
    ? { icon: IconWorldCheck, look: tier, word: "Everywhere", line: "Every device seen in the last 30 days has it." }
    : tier === "hosted"
    ? { icon: IconChecks, look: tier, word: "Hosted", line: "Hosted has it; some device may not have read it yet." }
    : waits.kept
    ? { icon: IconLock, look: "kept", word: "Kept here", line: waits.line }
    : { icon: IconCheck, look: tier, word: "On this machine", line: waits.line }

/** Why what was written stays on this machine. */
export const reasons: Readonly<Record<string, string>> = {
  surface: "Privacy lets nothing leave that is written on this surface.",
  expired: "Retention removed it everywhere else; what was written here stays here."
}
