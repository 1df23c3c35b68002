import { v7 } from "uuid"
import type { Settings } from "../../../streams/events/settings.ts"
import { syncCommitsMax } from "../../../streams/limits.ts"
import { isoTime } from "../../../streams/time.ts"
import type { Verdict } from "../../../streams/Verdict.ts"
import { canonicalJson } from "../../security/portable/canonical.ts"
import { keyIdOf } from "../../security/portable/keys.ts"
import { signObject } from "../../security/portable/signing.ts"
import type { SideName, SideSynced } from "./api.ts"
import { type Book, bookKeys, type KeptCommit, type SideState } from "./Book.ts"
import { adopt, makeCommits, placeOf, reopen, rewind, takenBack } from "./commits.ts"
import { type Link, type LinkState, sidesOf, urlOf } from "./Link.ts"
import type { Change } from "./model.ts"
import { makeNames } from "./Names.ts"
import type { Platform } from "./platform.ts"
import { call } from "./http.ts"
import { MaestraError } from "./problems.ts"

export interface SyncParts {
  readonly book: Book
  readonly link: Link
  readonly platform: Platform
  /** When each side was last asked whether it still has our last commit, milliseconds since 1970. */
  readonly asked: Map<SideName, number>
}

interface Answer {
  readonly verdicts: ReadonlyArray<Verdict>
  readonly changes: ReadonlyArray<Change>
  readonly cursor: string
  readonly settings: Settings
  readonly next_sync_in_ms: number
}

/** Bytes of commits in one payload, as characters: with room for the rest in the 7 MiB a sync may have. */
const commitsMaxCharacters = 5 * 1024 * 1024
const busyMillis = 1000
/** A backend that was restored, or had to set a commit aside, says so when the last one is offered again. */
const askAgainMillis = 60_000

/** One exchange with one side: what it lacks goes there, what we lack comes here. One tab at a time. Throws `MaestraError`. */
export const syncWith = (parts: SyncParts, side: SideName, signal?: AbortSignal): Promise<SideSynced> =>
  parts.book.storage.alone(`sync-${side}`, async () => {
    const { book, link, platform } = parts
    if (await link.isDue(side)) await link.register(side)
    const state = await link.state()
    const keys = await link.dataKeys()
    const [first, newest] = [keys[0], keys.at(-1)]
    if (first === undefined || newest === undefined) throw new MaestraError("not-joined", "there is no data key yet", { hint: "Reach a backend once." })
    const { identity, pairs } = await link.own()
    const names = makeNames(first)
    await makeCommits({ book, names, author: state.peerId, keyId: await keyIdOf(identity.public_key), signingKey: pairs.signing.privateKey, dataKey: newest, now: platform.now })
    const gated = await book.settings() !== undefined
    const { acked, cursor } = await book.side(side)
    const fresh = fitting(await book.commitsAfter(acked, syncCommitsMax))
    const commits = fresh.length === 0 && isTimeToAsk(parts, side) ? await book.commitsAfter(Math.max(0, acked - 1), 1) : fresh
    const before = (commits[0]?.n ?? acked + 1) - 1
    const payload = await signObject(pairs.signing.privateKey, "sync", {
      sync_id: v7(), timestamp: isoTime(platform.now()), conversations: [], commits: commits.map(({ events, record }) => ({ record, events })),
      ...(cursor === null ? {} : { cursor })
    })
    const answer = await call(platform.fetch, `${urlOf(state, side)}/sync/${state.peerId}`, {
      method: "POST", body: canonicalJson(payload), bearer: await link.bearer(), ...(signal === undefined ? {} : { signal })
    }) as Answer
    const received = await book.take(names, side, answer)
    const settled = await settle(parts, state, side, before, commits, answer.verdicts)
    const sent = { ...settled, count: Math.max(0, settled.count - (acked - before)) }
    const meta = await book.meta()
    // the settings have only now been heard of: what was written meanwhile can go
    const begun = !gated && meta.committed < meta.written
    const more = begun || answer.next_sync_in_ms === 0 || (sent.needs === undefined && sent.again)
    return { side, sent: sent.count, received, nextMillis: more ? 0 : Math.max(sent.waitMillis, answer.next_sync_in_ms), heldMillis: more ? 0 : sent.waitMillis, ...(sent.needs === undefined ? {} : { needs: sent.needs }) }
  })

const isTimeToAsk = ({ asked, platform }: SyncParts, side: SideName): boolean => {
  const now = platform.now()
  if (now - (asked.get(side) ?? 0) < askAgainMillis) return false
  asked.set(side, now)
  return true
}

const fitting = (commits: ReadonlyArray<KeptCommit>): ReadonlyArray<KeptCommit> => {
  let characters = 0
  return commits.filter((commit, at) => (characters += commit.record.length + commit.events.reduce((sum, event) => sum + event.length, 0)) <= commitsMaxCharacters || at === 0)
}

interface Settled {
  readonly count: number
  readonly again: boolean
  readonly waitMillis: number
  readonly needs?: string
}

/** Act on the verdicts as the table of docs/PROTOCOL.md says. */
const settle = async (parts: SyncParts, link: LinkState, side: SideName, acked: number, commits: ReadonlyArray<KeptCommit>, verdicts: ReadonlyArray<Verdict>): Promise<Settled> => {
  const { book } = parts
  const taken = verdicts.findIndex(({ verdict }) => verdict !== "committed")
  const count = taken === -1 ? Math.min(verdicts.length, commits.length) : taken
  const last = commits[count - 1]
  if (last !== undefined) await acknowledge(book, side, last, sidesOf(link))
  const refused = taken === -1 ? undefined : verdicts[taken]
  const { written, committed } = await book.meta()
  if (refused === undefined) return { count, again: count > 0 && committed < written, waitMillis: 0 }
  const outcome = await act(parts, link, side, last?.n ?? acked, refused)
  return { count, ...outcome }
}

const acknowledge = async (book: Book, side: SideName, commit: KeptCommit, sides: ReadonlyArray<SideName>): Promise<void> => {
  const held = await book.alone(() => acknowledgeKept(book, side, commit, sides))
  // the other side had it taken back while it was on its way here
  if (!held && stands(side, sides) && await takenBack(book, commit.record) !== undefined) await adopt(book, commit, side, sides)
}

/** What the log holds stands; a local backend among two may still have to set it aside. */
const stands = (side: SideName, sides: ReadonlyArray<SideName>): boolean => side === "hosted" || sides.length === 1

/** Whether the commit is still one of ours. */
const acknowledgeKept = async (book: Book, side: SideName, commit: KeptCommit, sides: ReadonlyArray<SideName>): Promise<boolean> => {
  if ((await book.commitsAfter(commit.n - 1, 1))[0]?.digest !== commit.digest) return false
  const state = await book.side(side)
  const next: SideState = { ...state, acked: Math.max(state.acked, commit.n) }
  const others = await Promise.all(sides.filter((name) => name !== side).map((name) => book.side(name)))
  // what every side has need not be kept, but for the last one, which a side may still name as its head
  const everywhere = Math.min(next.acked, ...others.map(({ acked }) => acked))
  const old = (await book.storage.list("commit/")).filter(([, value]) => (value as KeptCommit).n < everywhere)
  await book.storage.write([[bookKeys.side(side), next], ...old.map(([key]) => [key, undefined] as const)])
  return true
}

const act = async ({ book, link: linked }: SyncParts, link: LinkState, side: SideName, acked: number, verdict: Verdict): Promise<Omit<Settled, "count">> => {
  const sides = sidesOf(link)
  // what hosted has is in the log, whatever a local backend thinks of it by now
  const floor = side === "local" && sides.includes("hosted") ? Math.max(acked, (await book.side("hosted")).acked) : acked
  switch (verdict.verdict) {
    case "committed":
      return { again: true, waitMillis: 0 }
    case "busy":
      return { again: false, waitMillis: busyMillis }
    case "rate_limited":
      return { again: false, waitMillis: verdict.retry_after_ms }
    case "expired":
    case "unknown_peer":
      await linked.register(side)
      return { again: false, waitMillis: busyMillis }
    case "withheld":
      // the settings came with this very answer: gate again by them
      await rewind(book, floor, sides)
      return { again: false, waitMillis: busyMillis }
    case "invalid":
      if (verdict.event_id === "") return { again: false, waitMillis: 0, needs: `a backend refuses a commit of this surface: ${verdict.why}` }
      await rewind(book, floor, sides, { eventId: verdict.event_id, why: verdict.why })
      return { again: true, waitMillis: 0 }
    case "chain_mismatch":
      return reconcile(book, side, sides, verdict.head)
    case "revoked":
      return { again: false, waitMillis: 0, needs: "this surface was shut out; what was written stays here" }
    case "bad_signature":
      return { again: false, waitMillis: 0, needs: "a backend does not accept this surface's key" }
  }
}

/** The side's view of our chain is another one than we thought: go on from there. */
const reconcile = async (book: Book, side: SideName, sides: ReadonlyArray<SideName>, head: string | null): Promise<Omit<Settled, "count">> => {
  const at = await placeOf(book, head)
  const first = (await book.storage.list("commit/"))[0]?.[1] as KeptCommit | undefined
  if (at !== undefined && (at > 0 || first === undefined || first.n === 1)) {
    await book.alone(async () => book.storage.write([[bookKeys.side(side), { ...await book.side(side), acked: at } satisfies SideState]]))
    return { again: true, waitMillis: 0 }
  }
  const back = head === null || at !== undefined ? undefined : await takenBack(book, head)
  if (back !== undefined && stands(side, sides)) {
    await adopt(book, back, side, sides)
    return { again: true, waitMillis: 0 }
  }
  // a head that this storage does not know: the storage was lost, or restored from a copy
  if (head !== null && at === undefined && back === undefined && await reopen(book, head, sides)) return { again: true, waitMillis: 0 }
  // behind what is kept here: it hears of the rest through its own log
  return { again: false, waitMillis: busyMillis }
}
