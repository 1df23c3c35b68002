import { Table, Text } from "@mantine/core"
import { costOf, countOf, type Group, millisOf } from "./hours.ts"

/** Figures by name, the most frequent first. */
export const GroupTable = ({ groups, head, none = "Nothing in this time." }: { readonly head: string; readonly groups: ReadonlyArray<Group>; readonly none?: string }) =>
  groups.length === 0
    ? <Text size="sm" c="dimmed">{none}</Text>
    : (
      <Table.ScrollContainer minWidth={480} type="native" tabIndex={0} role="region" aria-label={`By ${head.toLowerCase()}`}>
        <Table verticalSpacing="xs" tabularNums>
          <Table.Thead><Table.Tr><Table.Th>{head}</Table.Th><Table.Th ta="right">Events</Table.Th><Table.Th ta="right">Mean latency</Table.Th><Table.Th ta="right">Tokens</Table.Th><Table.Th ta="right">Cost</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {groups.map(({ cost, events, latency, name, tokens }) => (
              <Table.Tr key={name}><Table.Th scope="row" fw={500}>{name}</Table.Th><Table.Td ta="right">{countOf(events)}</Table.Td><Table.Td ta="right">{millisOf(latency)}</Table.Td><Table.Td ta="right">{countOf(tokens)}</Table.Td><Table.Td ta="right">{costOf(cost)}</Table.Td></Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    )
