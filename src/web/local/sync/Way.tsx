import { IconCloud, IconDeviceLaptop, IconDevices } from "@tabler/icons-react"
import type { LocalStatus } from "../../../sdk/typescript/owner/index.ts"
import classes from "./Way.module.css"

/** From this machine to hosted and on to the other devices, and where it stops. */
export const Way = ({ status: { behind, held_by, hosted_url, paused, pending, state } }: { readonly status: LocalStatus }) => {
  const cut = paused || state === "offline" || state === "not_paired" || state === "needs_you" || (held_by !== null && pending > 0)
  const link = cut ? "cut" : pending > 0 || behind > 0 ? "moving" : "still"
  const host = hosted_url === null ? "Not paired" : new URL(hosted_url).host
  return (
    <div className={classes["way"]} aria-hidden>
      <Stop icon={<IconDeviceLaptop size={24} stroke={1.5} />} name="This machine" line={pending === 0 ? "" : `${pending} to send`} />
      <span className={classes["link"]} data-link={link} />
      <Stop icon={<IconCloud size={24} stroke={1.5} />} name="Hosted" line={host} faint={state === "not_paired"} />
      <span className={classes["link"]} data-link={state === "not_paired" ? "cut" : "still"} />
      <Stop icon={<IconDevices size={24} stroke={1.5} />} name="Your devices" line={behind === 0 ? "" : `${behind} to receive`} faint={state === "not_paired"} />
    </div>
  )
}

const Stop = ({ faint = false, icon, line, name }: { readonly icon: React.ReactNode; readonly name: string; readonly line: string; readonly faint?: boolean }) => (
  <span className={classes["stop"]} data-faint={faint || undefined}>
    <span className={classes["icon"]}>{icon}</span>
    <span className={classes["name"]}>{name}</span>
    <span className={classes["line"]}>{line}</span>
  </span>
)
