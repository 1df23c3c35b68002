// Goal: what other people's programs rely on (schemas, subjects, streams, limits) changes only on purpose.
// Method: each table printed as JSON and held equal to its committed file.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { definitions, type EventType, isEventType } from "../../streams/catalog.ts"
import { CommitRecord } from "../../streams/CommitRecord.ts"
import { mirrorName, peerConsumer, relayConsumer, streams, telemetryConsumer, toolConsumer } from "../../streams/definitions.ts"
import { Envelope } from "../../streams/Envelope.ts"
import { telemetryRecorded } from "../../streams/events/telemetry.ts"
import * as limits from "../../streams/limits.ts"
import { logSubjectOf, patterns, subjects } from "../../streams/subjects.ts"
import { TelemetryEnvelope, TelemetryStored } from "../../streams/telemetry.ts"
import { HeadAnswer, HeadRequest, Verdict } from "../../streams/Verdict.ts"
import * as golden from "./golden.ts"

const types = Object.keys(definitions).filter(isEventType)
const schemaFile = (type: EventType) => `schemas/${type}.v${definitions[type].version}.json`
const protocol = { "envelope.json": Envelope, "commit-record.json": CommitRecord, "verdict.json": Verdict, "head-request.json": HeadRequest, "head-answer.json": HeadAnswer, "telemetry.v1.json": telemetryRecorded.schema, "telemetry-envelope.json": TelemetryEnvelope, "telemetry-answer.json": TelemetryStored }

/** Durations as milliseconds: a row of data that reads the same in every language. */
const row = (definition: object) =>
  Object.fromEntries(Object.entries(definition).filter(([, value]) => typeof value !== "function")
    .map(([key, value]) => [key, Duration.isDuration(value) ? `${Duration.toMillis(value)} ms` : value]))

describe("golden contract", () => {
  it("has one schema per event type and one per protocol message", () => {
    const expected = [...types.map(schemaFile), ...Object.keys(protocol).map((name) => `schemas/${name}`)]
    assert.deepStrictEqual(golden.filesIn("schemas"), expected.map((file) => file.slice("schemas/".length)).toSorted())
    assert.isAtLeast(expected.length, 21)
  })

  it.each(types)("%s has the schema it was released with", (type) => {
    golden.matchesJson(schemaFile(type), Schema.toJsonSchemaDocument(definitions[type].schema))
  })

  it.each(Object.entries(protocol))("%s is as it was released", (name, schema) => {
    golden.matchesJson(`schemas/${name}`, Schema.toJsonSchemaDocument(schema))
  })

  it("subjects", () => {
    const [tenant, peer] = ["t_abcdefgh23456722", "peer_0123456789abcdef"]
    const built = {
      journalConversation: subjects.journalConversation("c-1"),
      journalSettings: subjects.journalSettings,
      journalPeer: subjects.journalPeer(peer),
      journalCommit: subjects.journalCommit(peer),
      telemetryOut: subjects.telemetryOut("advisor.ask now"),
      logConversation: subjects.logConversation(tenant, "c-1"),
      logConversations: subjects.logConversations(tenant),
      logSettings: subjects.logSettings(tenant),
      logPeer: subjects.logPeer(tenant, peer),
      logCommit: subjects.logCommit(tenant, peer),
      logTenant: subjects.logTenant(tenant),
      telemetry: subjects.telemetry(tenant, peer, "advisor.ask now"),
      audit: [subjects.audit(tenant, "peer.revoked"), subjects.audit(undefined, "session.refused")],
      auditTenant: [subjects.auditTenant(tenant), subjects.auditTenant(undefined)],
      ingest: (["commit", "telemetry", "head"] as const).map((what) => subjects.ingest(tenant, peer, what)),
      alert: [subjects.alert(tenant, "sync_lag"), subjects.alert(null, "disk_low")],
      deliver: subjects.deliver(peer),
      tool: subjects.tool("tool_00112233445566778899"),
      disk: subjects.disk("hub-1"),
      position: subjects.position(tenant),
      storeKeyWanted: subjects.storeKeyWanted,
      storeKeyTold: subjects.storeKeyTold,
      partition: subjects.partition(3, subjects.logCommit(tenant, peer))
    } satisfies Record<keyof typeof subjects, unknown>
    const ofEvents = Object.fromEntries(types.map((type) => [type, logSubjectOf(tenant, type, "about")]))
    golden.matchesJson("subjects.json", { built, patterns, ofEvents })
  })

  it("streams and consumers", () => {
    const rows = Object.fromEntries(Object.entries(streams).map(([key, definition]) => [key, row(definition)]))
    assert.isAtLeast(Object.keys(rows).length, 6)
    golden.matchesJson("streams.json", {
      streams: rows,
      mirror: mirrorName,
      relayConsumer: row(relayConsumer),
      telemetryConsumer: row(telemetryConsumer),
      toolConsumer: { ...row(toolConsumer), name: `${toolConsumer.prefixOf("t_abcdefgh23456722", "warehouse")}tool_…` },
      peerConsumer: { ...row(peerConsumer), name: peerConsumer.nameOf("peer_0123456789abcdef") }
    })
  })

  it("limits", () => {
    golden.matchesJson("limits.json", { ...limits })
  })
})
