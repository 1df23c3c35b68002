import { count, oneLine, table } from "./text.ts"

/** Answers whose fields the backend decides, shown as they are named. */

type Fields = Readonly<Record<string, unknown>>

const cell = (value: unknown): string =>
  value === null || value === undefined
    ? "—"
    : typeof value === "number"
    ? count(value)
    : typeof value === "string"
    ? oneLine(value, 80)
    : typeof value === "boolean"
    ? value ? "yes" : "no"
    : oneLine(JSON.stringify(value), 80)

const label = (name: string): string => name.replaceAll("_", " ")

/** One thing as a list of names and values. */
export const facts = (fields: Fields): string => table(Object.entries(fields).map(([name, value]) => [label(name), cell(value)]))

/** Several things as a table with a head; only the columns named, and of these the ones that somebody fills. */
export const things = (rows: ReadonlyArray<Fields>, columns: ReadonlyArray<string>): string => {
  const filled = columns.filter((column) => rows.some((row) => row[column] !== undefined))
  const shown = filled.length > 0 ? filled : Object.keys(rows[0] ?? {})
  return table([shown.map(label), ...rows.map((row) => shown.map((column) => cell(row[column])))])
}
