import { ActionIcon, Group, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core"
import { IconLogout, IconMoon, IconSun } from "@tabler/icons-react"
import { type ComponentType, type ReactNode, useEffect } from "react"
import { lock } from "../access/session.ts"
import { focusMain, hrefOf } from "../navigation/route.ts"
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
  /** The name of the whole app, as tabs and windows show it. */
  readonly name: string
  readonly places: ReadonlyArray<Place>
  readonly at: string
  /** Whether all is well, always in sight. */
  readonly state: ReactNode
  readonly banner: ReactNode
  /** Ends this page's session at its backend. */
  readonly end: () => Promise<unknown>
  readonly children: ReactNode
}

/** The frame: where one can go, how things stand, and the screen. On a phone the places are at the bottom. */
export const Shell = ({ at, banner, children, end, name, places, state }: ShellProps) => {
  const label = places.find(({ path }) => path === at)?.label
  useEffect(() => {
    document.title = label === undefined ? name : `${label} · ${name}`
    return () => { document.title = name }
  }, [label, name])
  return (
    <div className={classes["shell"]}>
      <a className="skip" href="#main" onClick={skip}>Skip to the content</a>
      <header className={classes["side"]}>
        <div className={classes["brand"]}><Mark /></div>
        <div className={classes["state"]}>{state}</div>
        <nav className={classes["places"]} aria-label="Places">
          {places.map((place) => <PlaceLink key={place.path} place={place} here={place.path === at} />)}
        </nav>
        <Group className={classes["tools"] ?? ""} gap={4}><SchemeSwitch /><Leave end={end} /></Group>
      </header>
      <main id="main" tabIndex={-1} className={classes["main"]}>{banner}{children}</main>
    </div>
  )
}

/** The address's fragment is the route, so the jump is made by hand. */
const skip = (event: { readonly preventDefault: () => void }) => {
  event.preventDefault()
  focusMain()
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

const Leave = ({ end }: Pick<ShellProps, "end">) => (
  <Tooltip label="Lock this page">
    <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Lock this page" onClick={() => void lock(end)}><IconLogout size={18} stroke={1.6} /></ActionIcon>
  </Tooltip>
)
