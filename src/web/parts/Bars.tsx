import { useId } from "react"
import classes from "./Bars.module.css"

export interface Bar {
  readonly label: string
  readonly value: number
}

const height = 120
const width = 600

/** Figures over time. Read aloud as a table, looked at as bars. */
export const Bars = ({ bars, title, unit }: { readonly title: string; readonly unit: (value: number) => string; readonly bars: ReadonlyArray<Bar> }) => {
  const most = Math.max(...bars.map(({ value }) => value), 0)
  const step = width / Math.max(bars.length, 1)
  const name = useId()
  return (
    <figure className={classes["figure"]} aria-labelledby={name}>
      <figcaption className={classes["caption"]}><span id={name}>{title}</span><span className={classes["most"]}>{most === 0 ? "Nothing yet" : `up to ${unit(most)}`}</span></figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" className={classes["bars"]} aria-hidden>
        {bars.map(({ label, value }, at) => {
          const tall = most === 0 ? 0 : Math.max(value / most * (height - 4), value > 0 ? 2 : 0)
          return (
            <g key={label}>
              <rect x={at * step} y={0} width={step} height={height} className={classes["back"]}><title>{`${label}: ${unit(value)}`}</title></rect>
              <rect x={at * step + step * 0.14} y={height - tall} width={step * 0.72} height={tall} rx={1.5} className={classes["bar"]} />
            </g>
          )
        })}
      </svg>
      <div className={classes["axis"]} aria-hidden><span>{bars[0]?.label}</span><span>{bars[bars.length - 1]?.label}</span></div>
      <table className={classes["table"]}>
        <caption>{title}</caption>
        <tbody>{bars.filter(({ value }) => value > 0).map(({ label, value }) => <tr key={label}><th scope="row">{label}</th><td>{unit(value)}</td></tr>)}</tbody>
      </table>
    </figure>
  )
}
