import classes from "./Unreachable.module.css"

const words = {
  local: { who: "The backend on this machine", command: "npx maestra local up" },
  hosted: { who: "The hosted backend", command: "npx maestra hosted up" }
} as const

/** Shown above what was read before, which stays. */
export const Unreachable = ({ side }: { readonly side: keyof typeof words }) => (
  <p className={classes["bar"]} role="status"><strong>{words[side].who} does not answer.</strong> What you see was read before. Start it with <code>{words[side].command}</code>; this page goes on by itself.</p>
)
