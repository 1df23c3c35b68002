import { IconAlertTriangle } from "@tabler/icons-react"
import type { ReactNode } from "react"
import classes from "./Note.module.css"

/** Something the person should know, and what to do about it. */
export const Note = ({ aside, children, title, tone = "warm" }: { readonly title: string; readonly tone?: "warm" | "alarm"; readonly aside?: ReactNode; readonly children: ReactNode }) => (
  <div className={classes["note"]} data-tone={tone} role="note">
    <IconAlertTriangle size={20} stroke={1.6} aria-hidden className={classes["icon"] ?? ""} />
    <div className={classes["said"]}>
      <strong className={classes["title"]}>{title}</strong>
      <div className={classes["line"]}>{children}</div>
    </div>
    {aside}
  </div>
)
