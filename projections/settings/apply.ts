import type { FactOf } from "../../streams/catalog.ts"
import { defaults, type Settings } from "../../streams/events/settings.ts"
import { compare, type Stamp } from "../../streams/Stamp.ts"

export type Field = keyof Settings
type Value = Settings[Field]

/** What one source last wrote to one field, and how much of the field's past it had ever seen. */
export interface Slot {
  readonly value: Value
  readonly stamp: Stamp
  readonly seen: Stamp | null
}

/** Per field and source. As large as there are sources, whatever is changed how often. */
export type State = { readonly [F in Field]?: Readonly<Record<string, Slot>> }

export const empty: State = {}

const fields = Object.keys(defaults) as ReadonlyArray<Field>

/** Take one change in. Pure and total; order and repetition do not change the result. */
export const apply = (state: State, change: { readonly data: FactOf<"settings.changed">["data"]; readonly stamp: Stamp }): State => {
  const { data, stamp } = change
  const base = data.base !== undefined && compare(data.base, stamp) < 0 ? data.base : null
  let next = state
  for (const field of fields) {
    const value = data[field]
    if (value === undefined) continue
    const slots = next[field] ?? {}
    const held = slots[stamp.source]
    const slot: Slot = held === undefined
      ? { value, stamp, seen: base }
      : { ...(compare(stamp, held.stamp) > 0 ? { value, stamp } : { value: held.value, stamp: held.stamp }), seen: greater(held.seen, base) }
    next = { ...next, [field]: { ...slots, [stamp.source]: slot } }
  }
  return next
}

/**
 * The settings in force. A write is overtaken by a later one of the same source, and by one of another source that
 * had seen it. Those nothing has overtaken are concurrent; of them the stricter wins.
 */
export const effective = (state: State): Settings => ({
  sync_enabled: standing(state, "sync_enabled", (a, b) => a && b),
  sync_conversations: standing(state, "sync_conversations", (a, b) => a && b),
  sync_telemetry: standing(state, "sync_telemetry", (a, b) => a && b),
  redact_pii: standing(state, "redact_pii", (a, b) => a || b),
  retention_days: standing(state, "retention_days", (a, b) => Math.min(a, b)),
  allowed_surfaces: standing(state, "allowed_surfaces", (a, b) => a === null ? b : b === null ? a : a.filter((surface) => b.includes(surface)).sort()),
  // of two regions neither is the stricter: everywhere the same one
  default_region: standing(state, "default_region", (a, b) => a === null ? b : b === null || a < b ? a : b),
  keep_own_copies: standing(state, "keep_own_copies", (a, b) => a && b)
})

const standing = <F extends Field>(state: State, field: F, stricter: (a: Settings[F], b: Settings[F]) => Settings[F]): Settings[F] => {
  const slots: ReadonlyArray<Slot> = Object.values<Slot>(state[field] ?? {})
  const values = slots
    .filter(({ stamp }) => !slots.some(({ seen }) => seen !== null && compare(seen, stamp) >= 0))
    .map(({ value }) => value as Settings[F])
  // a field's slots hold only values of that field: `apply` puts them there
  return values.length === 0 ? defaults[field] : values.reduce(stricter)
}

/** The newest write of any field by any source. */
export const greatestStamp = (state: State): Stamp | undefined =>
  fields.flatMap((field) => Object.values<Slot>(state[field] ?? {})).reduce<Stamp | null>((last, { stamp }) => greater(last, stamp), null) ?? undefined

const greater = (a: Stamp | null, b: Stamp | null): Stamp | null =>
  a === null ? b : b === null || compare(a, b) >= 0 ? a : b
