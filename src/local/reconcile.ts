/** The head of our own chain as the hosted side holds it. */
export interface RemoteHead {
  readonly digest: string
  readonly journal: string
  readonly from: number
  readonly to: number
  readonly ids: string
}

/** What we know of our own journal. */
export interface OwnJournal {
  /** Id of the journal as it is now. */
  readonly journal: string
  readonly lastSeq: number
  /** `ids` recomputed from our JOURNAL over the head's from..to; `undefined` where it lacks that range. */
  readonly idsOfHead: string | undefined
  /** A new journal was opened since this process started. */
  readonly openedHere: boolean
  /** Journals this data directory ever opened. */
  readonly everOpened: ReadonlySet<string>
}

export type Reconciliation =
  /** The log ends where we think or elsewhere in this journal: go on after `to`, on top of `prev`. */
  | { readonly _tag: "continue"; readonly prev: string; readonly to: number }
  /** The journal here is not the one the log knows: open a new one on top of `prev`, re-send what the log lacks. */
  | { readonly _tag: "reopen"; readonly prev: string }
  /** Somebody else writes in our name. */
  | { readonly _tag: "twin" }

/**
 * Compare the log's view of our chain with ours.
 *
 * The log may be behind (lost or restored: send again from the shared head), ahead (our last answer got
 * lost), or know a journal we do not have (ours was lost, restored from a copy, or copied). A journal
 * that reopens here and then meets a foreign one again is being written in two places.
 */
export const reconcile = (head: RemoteHead | undefined, own: OwnJournal): Reconciliation => {
  if (head === undefined) return { _tag: "continue", prev: "", to: 0 }
  if (head.journal === own.journal && head.to <= own.lastSeq && head.ids === own.idsOfHead) {
    return { _tag: "continue", prev: head.digest, to: head.to }
  }
  const foreign = !own.everOpened.has(head.journal)
  return own.openedHere && (foreign || head.journal === own.journal) ? { _tag: "twin" } : { _tag: "reopen", prev: head.digest }
}
