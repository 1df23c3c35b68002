import type { ReactNode } from "react"
import classes from "./Page.module.css"

/** A screen that is read from top to bottom. */
export const Page = ({ actions, children, line, title, wide = false }: { readonly title: string; readonly line?: ReactNode; readonly actions?: ReactNode; readonly wide?: boolean; readonly children: ReactNode }) => (
  <div className={classes["scroll"]}>
    <div className={classes["page"]} data-wide={wide || undefined}>
      <header className={classes["head"]}>
        <div>
          <h1 className={classes["title"]}>{title}</h1>
          {line === undefined ? null : <p className={classes["line"]}>{line}</p>}
        </div>
        {actions}
      </header>
      {children}
    </div>
  </div>
)

/** A part of a page with a heading of its own. */
export const Section = ({ aside, children, line, title }: { readonly title: string; readonly line?: ReactNode; readonly aside?: ReactNode; readonly children?: ReactNode }) => (
  <section className={classes["section"]}>
    <div className={classes["sectionHead"]}>
      <div>
        <h2 className={classes["sectionTitle"]}>{title}</h2>
        {line === undefined ? null : <p className={classes["line"]}>{line}</p>}
      </div>
      {aside}
    </div>
    {children}
  </section>
)

/** A figure and what it counts. */
export const Figure = ({ label, line, tone, value }: { readonly label: string; readonly value: ReactNode; readonly line?: ReactNode; readonly tone?: "alarm" | "warm" }) => (
  <div className={classes["figure"]} data-tone={tone}>
    <dt className={classes["figureLabel"]}>{label}</dt>
    <dd className={classes["figureValue"]}>{value}</dd>
    {line === undefined ? null : <dd className={classes["figureLine"]}>{line}</dd>}
  </div>
)

export const Figures = ({ children }: { readonly children: ReactNode }) => <dl className={classes["figures"]}>{children}</dl>
