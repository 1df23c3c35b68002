import { HashMap, Option } from "effect"
import type { Opened } from "../../streams/Envelope.ts"
import type { Entry, Shared } from "../Entry.ts"

/** What is known of an event besides itself: its place in the log, whether it stays here, what others see of it. */
export interface Said {
  readonly seq?: number
  readonly withheld?: true
  readonly shared?: Shared
}

/**
 * All that one tenant's conversations are made of. The fold only gathers; `view` says what it means.
 * Keyed by event id: an event counts once. What is said of an event may come before it.
 */
export interface State {
  readonly events: HashMap.HashMap<string, Opened>
  readonly said: HashMap.HashMap<string, Said>
  readonly lamport: number
}

export const empty: State = { events: HashMap.empty(), said: HashMap.empty(), lamport: 0 }

/**
 * Fold one entry of one tenant into the state. This is the specification of the conversation tables.
 *
 * Pure and total. Order and repetition of entries do not change the result (an erasure excepted, which forgets
 * what came before it): `test/property/projections/conversations.fold.test.ts` holds it to that.
 */
export const apply = (state: State, entry: Entry): State => {
  switch (entry.kind) {
    case "event": {
      if (entry.opened.fact.type === "tenant.erased") return { ...empty, lamport: Math.max(state.lamport, entry.opened.envelope.lamport) }
      const { id, lamport } = entry.opened.envelope
      return say(
        {
          ...state,
          events: HashMap.has(state.events, id) ? state.events : HashMap.set(state.events, id, entry.opened),
          lamport: Math.max(state.lamport, lamport)
        },
        id,
        { ...(entry.log === "log" ? { seq: entry.seq } : {}), ...(entry.shared === undefined ? {} : { shared: entry.shared }) }
      )
    }
    case "echo":
      return say(state, entry.eventId, { seq: entry.seq, ...(entry.shared === undefined ? {} : { shared: entry.shared }) })
    case "withheld":
      return entry.eventIds.reduce((held, eventId) => say(held, eventId, { withheld: true }), state)
    case "commit":
    case "problem":
    case "telemetry":
      return state
  }
}

const say = (state: State, eventId: string, more: Said): State => {
  const held = Option.getOrElse(HashMap.get(state.said, eventId), (): Said => ({}))
  const seq = held.seq === undefined ? more.seq : Math.min(held.seq, more.seq ?? held.seq)
  const shared = { ...more.shared, ...held.shared }
  const said: Said = {
    ...more,
    ...held,
    ...(seq === undefined ? {} : { seq }),
    ...(Object.keys(shared).length === 0 ? {} : { shared })
  }
  return { ...state, said: HashMap.set(state.said, eventId, said) }
}
