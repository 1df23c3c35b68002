import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import type { EventType, Fact } from "../../streams/catalog.ts"
import { plain } from "../../streams/Envelope.ts"
import type { Identity } from "../../streams/events/peer.ts"
import { logSubjectOf, subjects } from "../../streams/subjects.ts"
import { AuthorKeys } from "../../src/security/AuthorKeys.ts"
import { canonicalJson } from "../../src/security/canonical.ts"
import { type CommitFields, idsDigest } from "../../src/security/commit.ts"
import { digestOf } from "../../src/security/digest.ts"
import { openEnvelope, sealEnvelope } from "../../src/security/envelopes.ts"
import { generateKeys, keyId, type KeyPair } from "../../src/security/keys.ts"
import { type LogMessage, LogReader } from "../../src/security/LogReader.ts"
import { readLog } from "../../src/security/openLog.ts"
import { hostedBackendId, localBackendId, newTenantId, peerIdOf } from "../../src/security/peerId.ts"
import { type DataKey, kidOf, newDataKey } from "../../src/security/sealing.ts"
import { sign, signObject } from "../../src/security/signing.ts"

/** A backend that writes: real keys, its own chain. */
export interface Author {
  readonly id: string
  readonly backendId: string
  pair: KeyPair
  readonly journal: string
  prev: string
  to: number
}

export interface Written {
  readonly subject: string
  readonly data: Uint8Array
  readonly id: string
}

export const time = "2026-11-22T10:00:00.000Z"

/** Keys are slow to make; one pair per name is enough for all histories of a test. */
export const makeKeys = (names: ReadonlyArray<string>) =>
  Effect.map(Effect.forEach(names, () => generateKeys, { concurrency: "unbounded" }), (pairs) =>
    Object.fromEntries(names.map((name, i) => [name, pairs[i]!])) as Readonly<Record<string, KeyPair>>)

/** A tenant's log as honest backends write it, message after message; and the tools of those who are not honest. */
export class LogHistory {
  readonly tenant: string
  readonly key: DataKey
  readonly messages: Array<LogMessage> = []
  readonly hosted: Author
  /** Ids of every event that its author signed, as written. */
  readonly signed = new Set<string>()
  #lamport = 0

  /** A tenant of its own, or one that is really there. */
  constructor(hosted: KeyPair, tenant = newTenantId(), key = newDataKey(kidOf(tenant, 1))) {
    this.tenant = tenant
    this.key = key
    this.hosted = { id: "hosted", backendId: hostedBackendId("deployment"), pair: hosted, journal: "j-hosted", prev: "", to: 0 }
  }

  /** A peer joins: hosted writes `peer.registered` with the proof. */
  join(name: string, pair: KeyPair): Author {
    const backendId = localBackendId("machine", name)
    const author: Author = { id: peerIdOf(this.tenant, backendId), backendId, pair, journal: `j-${name}`, prev: "", to: 0 }
    this.commit(this.hosted, [this.registration(author, pair)])
    return author
  }

  registration(author: Author, pair: KeyPair): Written {
    const identity: Identity = {
      backend_id: author.backendId,
      backend_type: "local",
      public_key: pair.publicPem,
      wrap_key: pair.publicPem,
      capabilities: [],
      version: "1.0",
      created_at: time
    }
    const challenge = "challenge"
    const proof = sign(pair.privateKey, "identity", canonicalJson({ identity, challenge }))
    return this.event(this.hosted, { type: "peer.registered", data: { peer_id: author.id, identity, challenge, proof, expires_at: "2026-11-22T18:00:00.000Z" } }, author.id)
  }

  /** A message in a conversation, sealed, not yet committed by anybody. */
  said(author: Author, conversation: string, content: string): Written {
    return this.event(author, { type: "message.appended", data: { message_id: `m-${content}`, role: "user", content, timestamp: time } }, conversation)
  }

  event(author: Pick<Author, "backendId">, fact: Fact, subject: string, about: { readonly on?: string; readonly key?: DataKey } = {}): Written {
    const id = randomUUID()
    const envelope = plain(fact, { id, source: author.backendId, time, subject, lamport: ++this.#lamport, surface: "cli" })
    return { id, subject: about.on ?? logSubjectOf(this.tenant, fact.type satisfies EventType, subject), data: sealEnvelope(envelope, about.key ?? this.key) }
  }

  /** The record over these events, as this author signs it. Its chain moves on. */
  record(author: Author, events: ReadonlyArray<Written>, otherwise: Partial<CommitFields> = {}): Written {
    const from = author.to + 1
    const fields: CommitFields = {
      author: author.id,
      key_id: keyId(author.pair.publicPem),
      sync_id: "sync",
      journal: author.journal,
      from,
      to: author.to + events.length,
      ids: idsDigest(events.map(({ id }) => id)),
      hashes: events.map(({ data }) => digestOf(data)),
      prev: author.prev,
      seen: { log_seq: 0, head: "" },
      time,
      ...otherwise
    }
    const data = Buffer.from(canonicalJson(signObject(author.pair.privateKey, "commit", fields)))
    author.prev = digestOf(data)
    author.to = fields.to
    return { id: "", subject: subjects.logCommit(this.tenant, author.id), data }
  }

  commit(author: Author, events: ReadonlyArray<Written>, otherwise: Partial<CommitFields> = {}): void {
    for (const { id } of events) this.signed.add(id)
    this.put(...events, this.record(author, events, otherwise))
  }

  /** Whatever is put into the store, with the next sequences. */
  put(...messages: ReadonlyArray<Pick<Written, "data" | "subject">>): void {
    for (const { data, subject } of messages) this.messages.push({ seq: this.messages.length + 1, subject, data })
  }

  newReader(): LogReader {
    return new LogReader(new AuthorKeys({ backendId: this.hosted.backendId, keys: [{ keyId: keyId(this.hosted.pair.publicPem), publicKey: this.hosted.pair.publicPem }] }))
  }

  /** What a reader that knows nothing but hosted's key makes of these messages. */
  read(messages: ReadonlyArray<LogMessage> = this.messages, reader = this.newReader()) {
    const entries = readLog(reader, messages, { open: (_, envelope) => openEnvelope(envelope, (kid) => kid === this.key.kid ? this.key : undefined), isOwn: () => false })
    const problems = entries.flatMap((entry) => entry.kind === "problem" ? [entry] : [])
    for (const missing of reader.missing()) {
      const at = problems.findIndex(({ seq }) => seq > missing.seq)
      problems.splice(at === -1 ? problems.length : at, 0, missing)
    }
    const commits = entries.flatMap((entry) => entry.kind === "commit" ? [entry] : [])
    const events = commits.flatMap((commit) => commit.events)
    return {
      problems,
      commits,
      events,
      waiting: reader.waiting,
      /** Contents of the messages that count, in the log's order. */
      contents: events.flatMap((event) => event._tag === "opened" && event.opened.fact.type === "message.appended" ? [event.opened.fact.data.content] : []),
      /** `<what> <seq>` of each problem, in order. */
      named: problems.map(({ seq, what }) => `${what} ${seq}`)
    }
  }
}
