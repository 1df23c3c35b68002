import { ActionIcon, Group, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core"
import { IconLogout, IconMoon, IconSun } from "@tabler/icons-react"
import type { ComponentType, ReactNode } from "react"
import { leave } from "../access/session.ts"
import { hrefOf } from "../navigation/route.ts"
import { Mark } from "./Mark.tsx"
import classes from "./Shell.module.css"

export interface Place {
  readonly path: string
  readonly label: string
  /** Where there is little room. */
  readonly short?: string
  readonly icon: ComponentType<{ readonly size?: number; readonly stroke?: number }>
  /** What waits there for the person. */
  readonly count?: number
}

interface ShellProps {
  readonly places: ReadonlyArray<Place>
  readonly at: string
  /** Whether all is well, always in sight. */
  readonly state: ReactNode
  readonly banner: ReactNode
  readonly children: ReactNode
}

/** The frame: where one can go, how things stand, and the screen. On a phone the places are at the bottom. */
export const Shell = ({ at, banner, children, places, state }: ShellProps) => (
  <div className={classes["shell"]}>
    <a className="skip" href="#main" onClick={focusMain}>Skip to the content</a>
    <header className={classes["side"]}>
      <div className={classes["brand"]}><Mark /></div>
      <div className={classes["state"]}>{state}</div>
      <nav className={classes["places"]} aria-label="Places">
        {places.map((place) => <PlaceLink key={place.path} place={place} here={place.path === at} />)}
      </nav>
      <Group className={classes["tools"] ?? ""} gap={4}><SchemeSwitch /><Leave /></Group>
    </header>
    <main id="main" tabIndex={-1} className={classes["main"]}>{banner}{children}</main>
  </div>
)

/** The address's fragment is the route, so the jump is made by hand. */
const focusMain = (event: { readonly preventDefault: () => void }) => {
  event.preventDefault()
  document.getElementById("main")?.focus()
}

const PlaceLink = ({ here, place: { count = 0, icon: Icon, label, path, short = label } }: { readonly place: Place; readonly here: boolean }) => (
  <a href={hrefOf(path)} className={classes["place"]} aria-current={here ? "page" : undefined}>
    <Icon size={20} stroke={1.6} />
    <span className={classes["label"]}>{label}</span><span className={classes["short"]} aria-hidden>{short}</span>
    {count === 0 ? null : <span className={classes["count"]}>{count}<span className={classes["unseen"]}> waiting</span></span>}
  </a>
)

const SchemeSwitch = () => {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme("light")
  const other = scheme === "dark" ? "light" : "dark"
  return (
    <Tooltip label={`Use ${other} colours`}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Use ${other} colours`} onClick={() => setColorScheme(other)}>
        {scheme === "dark" ? <IconSun size={18} stroke={1.6} /> : <IconMoon size={18} stroke={1.6} />}
      </ActionIcon>
    </Tooltip>
  )
}

const Leave = () => (
  <Tooltip label="Lock this page">
    <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Lock this page" onClick={leave}><IconLogout size={18} stroke={1.6} /></ActionIcon>
  </Tooltip>
)
