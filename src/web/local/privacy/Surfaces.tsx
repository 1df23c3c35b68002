import { Checkbox, Group, Switch } from "@mantine/core"
import { useMemo } from "react"
import { Section } from "../../parts/Page.tsx"
import { useListed } from "../conversations/indexed.ts"
import type { Change } from "./Privacy.tsx"

const usual = ["web", "ios", "android", "extension", "cli", "api"]

/** From which surfaces conversations may leave. What was written elsewhere stays on its machine for good. */
export const Surfaces = ({ allowed, change }: { readonly allowed: ReadonlyArray<string> | null; readonly change: Change }) => {
  const { items } = useListed()
  const known = useMemo(() => [...new Set([...usual, ...items.flatMap(({ surfaces }) => surfaces), ...allowed ?? []])], [items, allowed])
  return (
    <Section title="Surfaces" line="What is written on a surface that is not allowed stays on its machine for good.">
      <Switch label="Every surface" checked={allowed === null} onChange={(event) => change({ allowed_surfaces: event.currentTarget.checked ? null : known })} />
      {allowed === null ? null : (
        <Checkbox.Group aria-label="Allowed surfaces" value={[...allowed]} onChange={(surfaces) => change({ allowed_surfaces: surfaces })}>
          <Group gap="lg">{known.map((name) => <Checkbox key={name} value={name} label={name} />)}</Group>
        </Checkbox.Group>
      )}
    </Section>
  )
}
