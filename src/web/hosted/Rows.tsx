import { Table, Text } from "@mantine/core"
import type { ReactNode } from "react"

interface RowsProps {
  readonly label: string
  readonly heads: ReadonlyArray<string>
  /** Cells by the key of their row; the first names it. */
  readonly rows: ReadonlyArray<readonly [key: string, cells: ReadonlyArray<ReactNode>]>
  readonly none: string
}

/** A table that scrolls by itself where it is wider than the page. */
export const Rows = ({ heads, label, none, rows }: RowsProps) =>
  rows.length === 0
    ? <Text size="sm" c="dimmed">{none}</Text>
    : (
      <Table.ScrollContainer minWidth={heads.length * 110} type="native" tabIndex={0} role="region" aria-label={label}>
        <Table verticalSpacing="xs" tabularNums>
          <Table.Thead><Table.Tr>{heads.map((head) => <Table.Th key={head}>{head}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>
            {rows.map(([key, [first, ...rest]]) => (
              <Table.Tr key={key}><Table.Th scope="row" fw={500}>{first}</Table.Th>{rest.map((cell, at) => <Table.Td key={heads[at + 1]}>{cell}</Table.Td>)}</Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    )
