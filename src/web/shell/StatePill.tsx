import { hrefOf } from "../navigation/route.ts"
import { Said } from "../parts/Said.tsx"
import classes from "./StatePill.module.css"

/** Whether all is well, in a colour, a word and a line. Leads to where the rest is told. */
export const StatePill = ({ line, mood, to, word }: { readonly mood: "well" | "busy" | "waiting" | "alarm"; readonly word: string; readonly line: string; readonly to: string }) => (
  <a href={hrefOf(to)} className={classes["pill"]} data-mood={mood}>
    <span className={classes["dot"]} aria-hidden />
    <span className={classes["text"]}>
      <span className={classes["word"]} role="status">{word}</span>
      <span className={classes["line"]}><Said text={line} /></span>
    </span>
  </a>
)
