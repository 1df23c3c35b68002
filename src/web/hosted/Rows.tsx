import { Table, Text } from "@mantine/core"
import type { ReactNode } from "react"
import classes from "./Rows.module.css"

interface RowsProps {
  readonly label: string
  readonly heads: ReadonlyArray<string>
  /** Cells by the key of their row; the first names it. */
  readonly rows: ReadonlyArray<readonly [key: string, cells: ReadonlyArray<ReactNode>]>
  readonly none: string
}

/** Pixels a column wants at least. */
const columnMin = 110

/**
 * A table that scrolls by itself where it is wider than the page, and is a list on a phone. Roles are said, because a table
 * that is laid out otherwise is none to a screen reader.
 */
export const Rows = ({ heads, label, none, rows }: RowsProps) =>
  rows.length === 0
    ? <Text size="sm" c="dimmed">{none}</Text>
    : (
      <div className={classes["scroller"]} tabIndex={0} role="region" aria-label={label}>
        <Table className={classes["table"] ?? ""} style={{ "--rows-min-width": `${heads.length * columnMin}px` }} verticalSpacing="xs" tabularNums role="table">
          <Table.Thead role="rowgroup"><Table.Tr role="row">{heads.map((head) => <Table.Th key={head} role="columnheader">{head}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody role="rowgroup">
            {rows.map(([key, [first, ...rest]]) => (
              <Table.Tr key={key} role="row">
                <Table.Th scope="row" role="rowheader" fw={500}>{first}</Table.Th>
                {rest.map((cell, at) => <Table.Td key={heads[at + 1]} role="cell" data-head={heads[at + 1]}>{cell}</Table.Td>)}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    )
