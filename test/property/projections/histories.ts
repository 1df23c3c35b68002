import type { Entry, Shared } from "../../../projections/Entry.ts"
import type { Fact } from "../../../streams/catalog.ts"
import { type Opened, stampOf } from "../../../streams/Envelope.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import { type Dice, event, random, sourceOf, tenant } from "./rig.ts"

/** What one backend reads: its own journal, and the log with everybody's events. */
export interface History {
  readonly journal: ReadonlyArray<Entry>
  readonly log: ReadonlyArray<Entry>
}

/** What ids are called here, and in the log. The last of each needs no mapping. */
const conversations = [["ann@example.org", "h_conversation"], ["plain", "plain"]] as const
const messages = [["m:1", "h_one"], ["m2", "m2"], ["\u{1F600}", "\u{1F600}"]] as const
const contents = ["yes", "no", "call 555-0100", "[REDACTED_PHONE]"] as const
const redacted: Readonly<Record<string, string>> = { "call 555-0100": "[REDACTED_PHONE]" }

/** Few ids, few sources, few instants: collisions are the interesting cases, so they are common. */
export const history = (seed: number, options: { readonly size: number; readonly odd: boolean; readonly expires: boolean }): History => {
  const dice = random(seed)
  const own = sourceOf(dice.below(3))
  const events = writes(dice, own, options)
  const log: Array<Entry> = []
  const journal: Array<Entry> = []
  let seq = 0
  for (const { opened, shared, source } of dice.shuffled(events)) {
    if (source !== own) {
      log.push({ kind: "event", log: "log", seq: ++seq, tenant, opened, own: false })
      continue
    }
    const eventId = opened.envelope.id
    const early = dice.chance(0.3) ? { shared } : {}
    if (!dice.chance(0.1)) {
      journal.push({ kind: "event", log: "journal", seq: journal.length + 1, tenant, opened, own: true, ...early })
    } else {
      // the journal was restored: this one comes back from the log, in its shared form
      log.push({ kind: "event", log: "log", seq: ++seq, tenant, opened: asShared(opened, shared), own: true })
      continue
    }
    const withheld = dice.chance(0.15)
    if (withheld) log.push({ kind: "withheld", seq: ++seq, tenant, eventIds: [eventId], why: "surface" })
    // what was kept back and is in the log all the same is there
    if (dice.chance(withheld ? 0.2 : 0.8)) log.push({ kind: "echo", seq: ++seq, tenant, eventId, shared })
    if (options.expires && dice.chance(0.1)) log.push(expiry(dice, ++seq))
  }
  // a second copy of some events: ignored, except for its place
  for (const entry of [...log]) if (entry.kind === "event" && dice.chance(0.1)) log.push({ ...entry, seq: ++seq })
  return { journal, log }
}

export interface Written {
  readonly opened: Opened
  readonly shared: Shared
  readonly source: string
}

/** Writes of three sources; those of `own` call things as they are called here, the others as in the log. */
export const writes = (dice: Dice, own: string, options: { readonly size: number; readonly odd: boolean }): ReadonlyArray<Written> => {
  const used = new Set<string>()
  const stamps: Array<Stamp> = []
  const out: Array<Written> = []
  for (let id = 0; out.length < options.size; id++) {
    const source = sourceOf(dice.below(3))
    const lamport = 1 + dice.below(options.size)
    // honest sources use a lamport once
    if (!options.odd && used.has(`${source} ${lamport}`)) continue
    used.add(`${source} ${lamport}`)
    const [conversation, sharedConversation] = dice.pick(conversations)
    const [message, sharedMessage] = dice.pick(messages)
    const at = source === own ? { conversation, message } : { conversation: sharedConversation, message: sharedMessage }
    const fact = anyFact(dice, at.message, stamps, lamport, options.odd)
    const opened = event(fact, { id, source, lamport, time: `2026-11-22T10:00:0${dice.below(2)}.000Z`, subject: at.conversation, surface: dice.pick(["cli", "web"]) })
    stamps.push(stampOf(opened.envelope))
    const said = fact.type === "message.appended" || fact.type === "message.edited" ? fact.data : undefined
    const content = said === undefined ? undefined : redacted[said.content]
    const shared: Shared = {
      ...(conversation === sharedConversation ? {} : { conversation: sharedConversation }),
      ...("message_id" in fact.data && message !== sharedMessage ? { message_id: sharedMessage } : {}),
      ...(content === undefined ? {} : { content }),
      ...(said?.role === "a@b.co" ? { role: "[REDACTED_EMAIL]" } : {}),
      ...("title" in fact.data && fact.data.title === "call 555-0100" ? { title: "[REDACTED_PHONE]" } : {})
    }
    out.push({ opened, shared, source })
  }
  return out
}

const anyFact = (dice: Dice, message_id: string, stamps: ReadonlyArray<Stamp>, lamport: number, odd: boolean): Fact => {
  // an author has seen only smaller lamports; an odd one claims anything
  const seen = odd ? stamps : stamps.filter((stamp) => stamp.lamport < lamport)
  const base = seen.length > 0 && dice.chance(0.7) ? { base: dice.pick(seen) } : {}
  const written = { message_id, role: dice.pick(["user", "assistant", "a@b.co"]), content: dice.pick(contents), timestamp: "2026-11-22T10:00:00Z" }
  const title = dice.chance(0.7) ? { title: dice.pick(contents) } : {}
  const kind = dice.below(20)
  if (kind < 6) return { type: "message.appended", data: written }
  if (kind < 13) return { type: "message.edited", data: { ...written, ...base } }
  if (kind < 16) return { type: "message.deleted", data: { message_id, ...base } }
  if (kind < 17) return { type: "conversation.created", data: title }
  return kind < 18 ? { type: "conversation.renamed", data: title } : { type: "conversation.deleted", data: {} }
}

const asShared = ({ envelope, fact }: Opened, shared: Shared): Opened => {
  const data: Record<string, unknown> = { ...fact.data }
  for (const field of ["message_id", "content", "role", "title"] as const) if (shared[field] !== undefined) data[field] = shared[field]
  const renamed = { type: fact.type, data } as Fact
  return { fact: renamed, envelope: { ...envelope, subject: shared.conversation ?? envelope.subject, data } }
}

/** Retention, by hosted, which knows the log's ids only. */
const expiry = (dice: Dice, seq: number): Entry => ({
  kind: "event",
  log: "log",
  seq,
  tenant,
  own: false,
  opened: event({ type: "conversation.expired", data: { before_seq: 1 + dice.below(seq) } }, {
    id: 100_000 + seq,
    source: sourceOf(9, "hosted"),
    lamport: 1 + dice.below(50),
    subject: dice.pick(conversations)[1]
  })
})
