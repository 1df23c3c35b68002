// Goal: no text, however hostile, becomes a subject that means something else.
// Method: every builder is fed arbitrary strings and strings made of NATS's own signs; the parsers invert the builders.
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { definitions, isEventType } from "../../../streams/catalog.ts"
import { logPartitions, streams } from "../../../streams/definitions.ts"
import { isToken } from "../../../streams/ids.ts"
import { logSubjectOf, parseIngest, parseLog, patterns, subjects } from "../../../streams/subjects.ts"

/** Every builder with the number of tokens a caller fills in; telemetry's free text is mapped, so it is apart. */
const builders: ReadonlyArray<readonly [name: string, arity: number, build: (...tokens: ReadonlyArray<string>) => string]> = [
  ["journalConversation", 1, (a) => subjects.journalConversation(a!)],
  ["journalPeer", 1, (a) => subjects.journalPeer(a!)],
  ["journalCommit", 1, (a) => subjects.journalCommit(a!)],
  ["logConversation", 2, (a, b) => subjects.logConversation(a!, b!)],
  ["logConversations", 1, (a) => subjects.logConversations(a!)],
  ["logSettings", 1, (a) => subjects.logSettings(a!)],
  ["logPeer", 2, (a, b) => subjects.logPeer(a!, b!)],
  ["logCommit", 2, (a, b) => subjects.logCommit(a!, b!)],
  ["logTenant", 1, (a) => subjects.logTenant(a!)],
  ["telemetry", 2, (a, b) => subjects.telemetry(a!, b!, "capture")],
  ["audit", 1, (a) => subjects.audit(a, "peer.revoked")],
  ["auditTenant", 1, (a) => subjects.auditTenant(a)],
  ["alert", 2, (a, b) => subjects.alert(a!, b!)],
  ["position", 1, (a) => subjects.position(a!)],
  ["disk", 1, (a) => subjects.disk(a!)],
  ["ingest", 2, (a, b) => subjects.ingest(a!, b!, "commit")],
  ["deliver", 1, (a) => subjects.deliver(a!)],
  ["tool", 1, (a) => subjects.tool(a!)]
]
const fixed = ["journalSettings", "storeKeyTold", "storeKeyWanted", "telemetryOut"]
/** Made of another of these. */
const around = ["partition"]

const Token = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,64}$/))
const tenant = "t_abcdefgh23456722"
/** Text as an attacker writes it: wildcards, dots, line ends, our own prefixes. */
const Hostile = Schema.Array(Schema.Literals([".", "*", ">", " ", "\r\n", "\0", "log", "conv", "$JS", "_INBOX", "é", "a", ""])).check(Schema.isMaxLength(6))

describe("subjects", () => {
  it("are all under test", () => {
    assert.deepStrictEqual([...builders.map(([name]) => name), ...fixed, ...around].toSorted(), Object.keys(subjects).toSorted())
  })

  for (const [name, arity, build] of builders) {
    const refusesWith = (text: string) => {
      for (let place = 0; place < arity; place++) {
        const tokens = Array.from({ length: arity }, (_, index) => (index === place ? text : "good"))
        if (isToken(text)) assert.isString(build(...tokens))
        else assert.throws(() => build(...tokens), RangeError, "not a subject token")
      }
    }
    it.prop(`${name} refuses what is no token`, [Schema.String], ([text]) => refusesWith(text))
    it.prop(`${name} refuses what an attacker writes`, [Hostile], ([parts]) => refusesWith(parts.join("")))
  }

  it("of a partition are those of the log behind its number, which alone it captures", () => {
    assert.strictEqual(subjects.partition(3, subjects.logCommit(tenant, "p")), `part.3.log.${tenant}.commit.p`)
    for (const row of logPartitions(8)) assert.deepStrictEqual(row.subjects, [row.storedAs?.arriving ?? ""])
    assert.strictEqual(new Set(logPartitions(8).flatMap(({ subjects }) => subjects)).size, 8)
    assert.deepStrictEqual(logPartitions(1), [streams.log])
  })

  it("knows the edge of a token", () => {
    for (const bad of ["", "a".repeat(65), "a.b", "*", ">", "a b", "a\n", "ä", "../x"]) assert.isFalse(isToken(bad), JSON.stringify(bad))
    for (const good of ["a", "a".repeat(64), "h_-9", "peer_0123456789abcdef"]) assert.isTrue(isToken(good), good)
  })

  it.prop("maps any telemetry type to one token", [Schema.String], ([type]) => {
    assert.strictEqual(subjects.telemetryOut(type).split(".").length, 2)
    const tokens = subjects.telemetry(tenant, "peer_0123456789abcdef", type).split(".")
    assert.strictEqual(tokens.length, 4)
    assert.isTrue(tokens.every(isToken))
  })

  it.prop("of the log read back as what they were built from", [Token, Token], ([tenant, id]) => {
    const read = (subject: string) => Result.getOrThrow(parseLog(subject))
    assert.deepStrictEqual(read(subjects.logConversation(tenant, id)), { tenant, kind: "conv", id })
    assert.deepStrictEqual(read(subjects.logPeer(tenant, id)), { tenant, kind: "peer", id })
    assert.deepStrictEqual(read(subjects.logCommit(tenant, id)), { tenant, kind: "commit", id })
    assert.deepStrictEqual(read(subjects.logSettings(tenant)), { tenant, kind: "settings", id: "" })
  })

  it.prop("of ingest name the sender", [Token, Token], ([tenant, peer]) => {
    for (const what of ["commit", "telemetry", "head"] as const) {
      assert.deepStrictEqual(Result.getOrThrow(parseIngest(subjects.ingest(tenant, peer, what))), { tenant, peer, what })
    }
  })

  it.prop("that are none are refused by the parsers", [Hostile], ([parts]) => {
    const text = parts.join("")
    const known = /^log\.[^.]*\.(settings|(conv|peer|commit)\.[^.]*)$/.test(text)
    assert.strictEqual(Result.isSuccess(parseLog(text)), known)
    assert.isTrue(Result.isFailure(parseIngest(text)))
  })

  it.prop("put every event in its tenant's part of the log", [Schema.Literals(Object.keys(definitions).filter(isEventType)), Token], ([type, id]) => {
    const subject = logSubjectOf(tenant, type, id)
    assert.isTrue(subject.startsWith(`log.${tenant}.`))
    const expected = type.startsWith("conversation.") || type.startsWith("message.") ? "conv" : type.startsWith("peer.") || type === "key.rotated" ? "peer" : "settings"
    assert.strictEqual(Result.getOrThrow(parseLog(subject)).kind, expected)
  })

  it("of one stream are never captured by another of the same server", () => {
    const first = (pattern: string) => pattern.slice(0, pattern.indexOf("."))
    const local = [patterns.journal, patterns.telemetryOut].map(first)
    const hosted = [patterns.log, patterns.telemetry, patterns.audit, patterns.alerts, patterns.ingest].map(first)
    assert.strictEqual(new Set(local).size, local.length)
    assert.strictEqual(new Set(hosted).size, hosted.length)
  })
})
