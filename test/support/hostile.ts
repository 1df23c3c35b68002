import { type CommitFields, frame } from "../../src/security/commit.ts"
import type { KeyPair } from "../../src/security/keys.ts"
import { newDataKey } from "../../src/security/sealing.ts"
import { encode, plain } from "../../streams/Envelope.ts"
import type { VerdictName } from "../../streams/Verdict.ts"
import { type Author, type LogHistory, time, type Written } from "./logHistory.ts"

export const framed = (record: Written, events: ReadonlyArray<Written>) => frame(record.data, events.map(({ data }) => data))

/** More than our own framing would take. */
export const handFramed = (items: ReadonlyArray<Written>): Uint8Array => Buffer.concat(items.map(({ data }) => Buffer.concat([Buffer.from(uvarint(data.length)), data])))
const uvarint = (value: number): ReadonlyArray<number> => value < 128 ? [value] : [value % 128 + 128, ...uvarint(Math.floor(value / 128))]

export interface Forgery {
  readonly what: string
  /** Made from the author as it stands; its chain is put back afterwards. */
  readonly make: (author: Author) => Uint8Array | Promise<Uint8Array>
  readonly verdict: VerdictName
}

/** What a forger knows when it begins. */
export interface Forging {
  readonly log: LogHistory
  readonly adas: { readonly tenant: string; readonly peer: string }
  readonly stranger: KeyPair
}

/** Commits no honest machine makes, and what each is answered. */
export const forgeriesOf = (at: () => Forging): ReadonlyArray<Forgery> => {
  const record = (events: (author: Author) => ReadonlyArray<Written>, otherwise: Partial<CommitFields> = {}, signer?: () => KeyPair) => (author: Author) => {
    const made = events(author)
    return framed(at().log.record({ ...author, pair: signer?.() ?? author.pair }, made, otherwise), made)
  }
  const said = (content: string) => (author: Author) => [at().log.said(author, "mine", content)]
  const odd = (change: Readonly<Record<string, unknown>>) => (author: Author): ReadonlyArray<Written> => {
    const one = at().log.said(author, "mine", "odd")
    return [{ ...one, data: Buffer.from(JSON.stringify({ ...(JSON.parse(Buffer.from(one.data).toString()) as Record<string, unknown>), ...change })) }]
  }
  const plainEvent = (author: Author): ReadonlyArray<Written> => {
    const id = "01930000-0000-7000-8000-000000000000"
    const fact = { type: "message.appended", data: { message_id: "m", role: "user", content: "in the clear", timestamp: time } } as const
    return [{ id, subject: "", data: encode(plain(fact, { id, source: author.backendId, time, subject: "mine", lamport: 99, surface: "cli" })) }]
  }

  return [
    { what: "no commit at all", make: () => Buffer.from("{\"hello\":1}"), verdict: "invalid" },
    { what: "nothing", make: () => new Uint8Array(), verdict: "invalid" },
    { what: "a signature by another key", make: record(said("x"), {}, () => at().stranger), verdict: "bad_signature" },
    { what: "a record changed after it was signed", make: (author) => {
      const events = said("x")(author)
      const signed = at().log.record(author, events)
      const text = Buffer.from(signed.data).toString().replace("\"sync_id\":\"sync\"", "\"sync_id\":\"sink\"")
      return frame(Buffer.from(text), events.map(({ data }) => data))
    }, verdict: "bad_signature" },
    { what: "a record in ada's peer's name", make: (author) => record(said("x"), { author: at().adas.peer })(author), verdict: "bad_signature" },
    { what: "a record in hosted's name", make: record(said("x"), { author: "hosted" }), verdict: "bad_signature" },
    { what: "hashes of other events", make: (author) => {
      const signed = at().log.record(author, said("x")(author))
      return framed(signed, said("y")(author))
    }, verdict: "invalid" },
    { what: "more events than were signed", make: (author) => {
      const events = said("x")(author)
      return framed(at().log.record(author, events), [...events, ...said("y")(author)])
    }, verdict: "invalid" },
    { what: "ada's events", make: record(odd({ source: `local_sha256_${"a".repeat(64)}` })), verdict: "invalid" },
    { what: "a lamport of 2^53", make: record(odd({ lamport: 2 ** 53 })), verdict: "invalid" },
    { what: "a lamport that runs the clock out", make: record(odd({ lamport: 2 ** 48 })), verdict: "invalid" },
    { what: "a lamport of 0", make: record(odd({ lamport: 0 })), verdict: "invalid" },
    { what: "a revocation of ada's device", make: record((author) => [at().log.event(author, { type: "peer.revoked", data: { peer_id: at().adas.peer, cause: "lost" } }, at().adas.peer)]), verdict: "invalid" },
    { what: "a registration", make: record(odd({ type: "peer.registered", dataschema: "maestra:peer.registered:1" })), verdict: "invalid" },
    { what: "an erasure", make: record((author) => [at().log.event(author, { type: "tenant.erased", data: { erased_at: time, before_seq: 1 } }, "settings")]), verdict: "invalid" },
    { what: "an expiry", make: record((author) => [at().log.event(author, { type: "conversation.expired", data: { before_seq: 1 } }, "mine")]), verdict: "invalid" },
    { what: "data in the clear", make: record(plainEvent), verdict: "invalid" },
    { what: "data sealed under ada's key id", make: (author) => record(() => [at().log.event(author, { type: "message.deleted", data: { message_id: "m" } }, "mine", { key: newDataKey(`${at().adas.tenant}.1`) })])(author), verdict: "invalid" },
    { what: "a subject that leads elsewhere", make: (author) => record(odd({ subject: `x.conv.y` }))(author), verdict: "invalid" },
    { what: "a message longer than a message may be", make: record((author) => [at().log.event(author, { type: "message.appended", data: { message_id: "m", role: "user", content: "x".repeat(2 ** 21), timestamp: time } }, "mine")]), verdict: "invalid" },
    { what: "a chain that does not follow", make: record(said("x"), { prev: "" }), verdict: "chain_mismatch" },
    { what: "a range with a hole", make: (author) => record(said("x"), { from: author.to + 5, to: author.to + 5 })(author), verdict: "chain_mismatch" }
  ]
}

/** Every subject of JetStream's API, as clients call it; `store` is how the account's import is named here. */
export const apiSubjects = [
  "INFO", "ACCOUNT.PURGE.x", "ACCOUNT.STREAM.MOVE.x.LOG", "ACCOUNT.STREAM.CANCEL_MOVE.x.LOG", "META.LEADER.STEPDOWN", "SERVER.REMOVE",
  "STREAM.CREATE.EVIL", "STREAM.UPDATE.LOG", "STREAM.NAMES", "STREAM.LIST", "STREAM.INFO.LOG", "STREAM.DELETE.LOG", "STREAM.PURGE.LOG",
  "STREAM.SNAPSHOT.LOG", "STREAM.RESTORE.LOG", "STREAM.MSG.GET.LOG", "STREAM.MSG.DELETE.LOG", "STREAM.PEER.REMOVE.LOG", "STREAM.LEADER.STEPDOWN.LOG",
  "DIRECT.GET.LOG", "DIRECT.GET.LOG.x",
  "CONSUMER.CREATE.LOG", "CONSUMER.CREATE.LOG.x", "CONSUMER.CREATE.LOG.x.y", "CONSUMER.DURABLE.CREATE.LOG.x", "CONSUMER.NAMES.LOG", "CONSUMER.LIST.LOG",
  "CONSUMER.INFO.LOG.ADAS", "CONSUMER.DELETE.LOG.ADAS", "CONSUMER.PAUSE.LOG.ADAS", "CONSUMER.UNPIN.LOG.ADAS", "CONSUMER.RESET.LOG.ADAS", "CONSUMER.LEADER.STEPDOWN.LOG.ADAS", "CONSUMER.MSG.NEXT.LOG.ADAS"
].flatMap((api) => ["$JS.API", "$JS.hub.API", "store"].map((prefix) => `${prefix}.${api}`))
