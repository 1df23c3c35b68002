import classes from "./Unreachable.module.css"

/** Shown above what was read before, which stays. */
export const Unreachable = () => (
  <p className={classes["bar"]} role="status"><strong>The backend on this machine does not answer.</strong> What you see was read before. Start it with <code>npx maestra local up</code>; this page goes on by itself.</p>
)
