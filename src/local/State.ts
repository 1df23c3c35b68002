import { Clock, Effect, Option, Stream, SubscriptionRef } from "effect"
import type { HeadAnswer } from "../../streams/Verdict.ts"
import { type Noted, SyncTally } from "../../streams/SyncTally.ts"
import type { ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import { Waits } from "../../streams/Waits.ts"
import type { LeafLink } from "../nats/leafLink.ts"
import type { Paired } from "./Pairing.ts"
import type { SharedForm } from "./prepare.ts"

/** What the hosted side last said of the log, and when. */
export interface Heard {
  readonly at: number
  readonly tenantLastSeq: number
  readonly positions: NonNullable<HeadAnswer["positions"]>
}

/** Everything goes. `receipt`: hosted's word that it does there too, where there is a hosted side. */
export interface Erasing {
  readonly receipt: ErasureReceipt | undefined
}

/** How far our own events have come: the journal sequence acknowledged, and the log's sequence at that moment. */
export interface Relayed {
  readonly to: number
  readonly logSeq: number
  readonly at: number
}

/** Everything the parts of a local backend tell one another. Each field has one writer; all may watch. */
export interface State {
  readonly paired: SubscriptionRef.SubscriptionRef<Option.Option<Paired>>
  readonly paused: SubscriptionRef.SubscriptionRef<boolean>
  readonly link: SubscriptionRef.SubscriptionRef<LeafLink>
  readonly heard: SubscriptionRef.SubscriptionRef<Heard | undefined>
  readonly relayed: SubscriptionRef.SubscriptionRef<Relayed>
  /** Why a person is needed; nothing is sent while this stands. */
  readonly needs: SubscriptionRef.SubscriptionRef<string | undefined>
  /** The setting by which the person keeps back what waits; nothing is sent while this stands, and nothing is wrong. */
  readonly held: SubscriptionRef.SubscriptionRef<string | undefined>
  /** The hosted side said that this machine is revoked; set each time it says so, until this machine is paired anew. */
  readonly revoked: SubscriptionRef.SubscriptionRef<boolean>
  /** Counts up whenever the mirror must be made anew, the relay session started again. */
  readonly mirrorWanted: SubscriptionRef.SubscriptionRef<number>
  readonly relayWanted: SubscriptionRef.SubscriptionRef<number>
  /** The count of `mirrorWanted` that has been served: the tables' place in the log is one in the mirror as it is now. */
  readonly mirrorMade: SubscriptionRef.SubscriptionRef<number>
  /** Counts up whenever the tables were emptied: the logs are read again from their cursors. */
  readonly reread: SubscriptionRef.SubscriptionRef<number>
  /** The journal sequence up to which our chain and the log agreed when they were last compared, and the log's epoch then. */
  readonly shared: SubscriptionRef.SubscriptionRef<{ readonly epoch: string; readonly to: number } | undefined>
  /** The epoch in which the log lacks something that was sent: the relay opens a new journal and clears this. */
  readonly lackedIn: SubscriptionRef.SubscriptionRef<string | undefined>
  /** Everything of this person goes from this machine; set by whoever heard of it, cleared by whoever does it. */
  readonly erasing: SubscriptionRef.SubscriptionRef<Erasing | undefined>
  /** Counts up whenever the registration is to be renewed before its time. */
  readonly renewalWanted: SubscriptionRef.SubscriptionRef<number>
  /** Counts up whenever settings changed. */
  readonly settingsSeen: SubscriptionRef.SubscriptionRef<number>
  /** Counts up whenever a companion registered: the hosted side must hear of it. */
  readonly companionsCame: SubscriptionRef.SubscriptionRef<number>
  /** Worth remembering for `debug`: the newest ten. */
  readonly errors: Array<Noted>
  /** How tries to send went, and how long what waits has waited. */
  readonly tally: SyncTally
  readonly toSend: Waits
  readonly toReceive: Waits
  /** How far this clock is ahead of the hosted side's, when it was last compared. */
  skewMillis: number | undefined
  /** When another server of this machine's name last took its place at the hub, in milliseconds since 1970; 0: never. */
  thrownOutAt: number
  /** Since when hosted answers speak of an older epoch of the log than ours, and of no other. */
  olderEpochSince: number | undefined
  retries: Record<string, number>
  /** Shared forms of own events on their way, until their echo comes: `null` where nothing differs. */
  readonly onTheirWay: Map<string, SharedForm | null>
}

export const makeState = Effect.fn("State.make")(function*(link: SubscriptionRef.SubscriptionRef<LeafLink>, paired: Option.Option<Paired>, paused: boolean, relayedTo: number) {
  const state: State = {
    paired: yield* SubscriptionRef.make(paired),
    paused: yield* SubscriptionRef.make(paused),
    link,
    heard: yield* SubscriptionRef.make<Heard | undefined>(undefined),
    relayed: yield* SubscriptionRef.make<Relayed>({ to: relayedTo, logSeq: 0, at: 0 }),
    needs: yield* SubscriptionRef.make<string | undefined>(undefined),
    held: yield* SubscriptionRef.make<string | undefined>(undefined),
    revoked: yield* SubscriptionRef.make(false),
    mirrorWanted: yield* SubscriptionRef.make(0),
    relayWanted: yield* SubscriptionRef.make(0),
    mirrorMade: yield* SubscriptionRef.make(0),
    reread: yield* SubscriptionRef.make(0),
    shared: yield* SubscriptionRef.make<{ readonly epoch: string; readonly to: number } | undefined>(undefined),
    lackedIn: yield* SubscriptionRef.make<string | undefined>(undefined),
    erasing: yield* SubscriptionRef.make<Erasing | undefined>(undefined),
    renewalWanted: yield* SubscriptionRef.make(0),
    settingsSeen: yield* SubscriptionRef.make(0),
    companionsCame: yield* SubscriptionRef.make(0),
    errors: [],
    tally: new SyncTally(),
    toSend: new Waits(),
    toReceive: new Waits(),
    skewMillis: undefined,
    thrownOutAt: 0,
    olderEpochSince: undefined,
    retries: {},
    onTheirWay: new Map()
  }
  return state
})

/** The pairing in force, if there is one. */
export const pairedIn = (state: Pick<State, "paired">): Paired | undefined => Option.getOrUndefined(SubscriptionRef.getUnsafe(state.paired))

/** The first value, now or later, that `is`. */
export const awaitRef = <A>(ref: SubscriptionRef.SubscriptionRef<A>, is: (value: A) => boolean): Effect.Effect<A> =>
  SubscriptionRef.changes(ref).pipe(
    Stream.filter(is),
    Stream.runHead,
    Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed })))

/** Completes with the next change of a counter. */
export const awaitBump = (ref: SubscriptionRef.SubscriptionRef<number>): Effect.Effect<number> =>
  Effect.suspend(() => {
    const before = SubscriptionRef.getUnsafe(ref)
    return awaitRef(ref, (value) => value !== before)
  })

export const bump = (ref: SubscriptionRef.SubscriptionRef<number>): Effect.Effect<void> => SubscriptionRef.update(ref, (n) => n + 1)

/** What is on its way to the hosted side is let go the moment a person pauses: nothing of it leaves any more. `otherwise`: what it then counts as. */
export const unlessPaused = <A, E, R>(state: Pick<State, "paused">, effect: Effect.Effect<A, E, R>, otherwise: A): Effect.Effect<A, E, R> =>
  Effect.suspend(() => SubscriptionRef.getUnsafe(state.paused) ? Effect.succeed(otherwise) : Effect.raceFirst(effect, Effect.as(awaitRef(state.paused, (paused) => paused), otherwise)))

const errorsKept = 10
export const note = (state: State, at: number, what: string): void => {
  state.errors.unshift({ at, what })
  state.errors.length = Math.min(state.errors.length, errorsKept)
}

/** Nothing goes on by itself: say so to the person, and remember it. `revoked`: because this machine is shut out. */
export const needPerson = Effect.fnUntraced(function*(state: State, needs: string, revoked: boolean = false) {
  note(state, yield* Clock.currentTimeMillis, needs)
  yield* Effect.logError(needs)
  yield* SubscriptionRef.set(state.needs, needs)
  if (revoked) yield* SubscriptionRef.set(state.revoked, true)
})

export const linkUp = (state: State): boolean => SubscriptionRef.getUnsafe(state.link).up

/** Completes when the link comes up; where it is up now, when it has been down in between. */
export const linkReturns = (state: State): Effect.Effect<unknown> =>
  awaitRef(state.link, ({ up }) => !up).pipe(Effect.andThen(awaitRef(state.link, ({ up }) => up)))
