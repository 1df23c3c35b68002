import classes from "./Mark.module.css"

/** The product's name and sign. */
export const Mark = () => (
  <span className={classes["mark"]}>
    <img src="/icon.svg" alt="" width={28} height={28} />
    <span>Maestra<span className={classes["second"]}> Sync</span></span>
  </span>
)
