import { Tooltip } from "@mantine/core"
import { IconCheck, IconChecks, IconWorldCheck } from "@tabler/icons-react"
import type { Tier } from "../../../sdk/typescript/owner/index.ts"
import classes from "./TierMark.module.css"

const tiers = {
  local: { icon: IconCheck, word: "On this machine", line: "Safe here; not sent yet" },
  hosted: { icon: IconChecks, word: "Hosted", line: "Hosted has it; some device may not have read it yet" },
  everywhere: { icon: IconWorldCheck, word: "Everywhere", line: "Every device seen in the last 30 days has it" }
}

/** How far a message has come. */
export const TierMark = ({ tier }: { readonly tier: Tier }) => {
  const { icon: Icon, line, word } = tiers[tier]
  return (
    <Tooltip label={line} events={{ hover: true, focus: true, touch: true }}>
      <span className={classes["tier"]} data-tier={tier}><Icon size={16} stroke={1.8} aria-hidden /><span className={classes["word"]}>{word}</span></span>
    </Tooltip>
  )
}
