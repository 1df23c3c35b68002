import { JsonSchema, Schema } from "effect"
import { definitions, type EventType, isEventType } from "../../streams/catalog.ts"
import { CommitRecord } from "../../streams/CommitRecord.ts"
import { streams } from "../../streams/definitions.ts"
import { Envelope } from "../../streams/Envelope.ts"
import { telemetryRecorded } from "../../streams/events/telemetry.ts"
import { logSubjectOf, subjects } from "../../streams/subjects.ts"
import { TelemetryEnvelope, TelemetryStored } from "../../streams/telemetry.ts"
import { HeadAnswer, HeadRequest, Verdict } from "../../streams/Verdict.ts"
import { version } from "../../streams/version.ts"
import { TelemetryResult } from "../../src/gateway/http/api/telemetry.ts"

type Json = Readonly<Record<string, unknown>>

/** Schemas that others refer to, by name. */
const shared = new Map<string, Json>()

/** Draft 07, which every AsyncAPI tool reads; what it refers to goes to `components`. */
const schemaOf = (schema: Schema.Top): Json => {
  const { definitions, schema: document } = JsonSchema.toDocumentDraft07(Schema.toJsonSchemaDocument(schema))
  for (const [name, definition] of Object.entries(definitions)) shared.set(name, moved(definition))
  return moved(document)
}
/** The same with its references where they lead here. */
const moved = (document: object): Json => JSON.parse(JSON.stringify(document).replaceAll("#/definitions/", "#/components/schemas/")) as Json

const payload = (schema: Json) => ({ schemaFormat: "application/schema+json;version=draft-07", schema })

const types = Object.keys(definitions).filter(isEventType)
/** In the log the data is a compact JWE; whoever holds the tenant's key, and who reads by HTTP, sees it opened. */
const eventOf = (type: EventType): Json => {
  const envelope = schemaOf(Envelope)
  const properties = envelope["properties"] as Json
  const data = { oneOf: [{ type: "string", description: "sealed: a compact JWE, `dir` + `A256GCM`" }, schemaOf(definitions[type].schema)] }
  return { ...envelope, properties: { ...properties, type: { const: type }, dataschema: { const: `maestra:${type}:${definitions[type].version}` }, data } }
}

const message = (name: string, summary: string, schema: Json, contentType = "application/json"): Json => ({ name, summary, contentType, payload: payload(schema) })
const framed = (name: string, summary: string): Json => ({ name, summary, contentType: "application/octet-stream", payload: { type: "string", description: "uvarint length and bytes, one part after the other (docs/PROTOCOL.md)" } })

const messages: Readonly<Record<string, Json>> = {
  ...Object.fromEntries(types.map((type) => [type, message(type, `an event of type ${type}, version ${definitions[type].version}`, eventOf(type), "application/cloudevents+json")])),
  commitRecord: message("commit record", "the signed statement of what a commit holds and what it follows", schemaOf(CommitRecord)),
  commit: framed("commit", "the record, then each event"),
  verdict: message("verdict", "what ingest says to a commit", schemaOf(Verdict)),
  telemetryBatch: framed("telemetry batch", "sealed telemetry events"),
  telemetryStored: message("stored", "durable all of it, but for what is named", schemaOf(TelemetryStored)),
  headRequest: message("head request", "a peer's position", schemaOf(HeadRequest)),
  headAnswer: message("head", "how far the log is", schemaOf(HeadAnswer)),
  telemetryKept: message("telemetry event, kept", "a CloudEvent around a telemetry event, sealed on hosted", schemaOf(TelemetryEnvelope), "application/cloudevents+json"),
  telemetryEvent: message("telemetry event", "one text frame in", schemaOf(telemetryRecorded.schema)),
  telemetryResult: message("telemetry result", "one text frame out, in the order of the frames in", schemaOf(TelemetryResult))
}

const inWords = (address: string): string => address.replaceAll("t_tenant", "{tenant}").replaceAll("peer_peer", "{peer}").replaceAll("conversation_id", "{conversation}").replaceAll("event_type", "{type}")
const described: Readonly<Record<string, string>> = {
  tenant: "one user's data: `t_` and 16 of base32", peer: "`peer_` and 16 hex; `hosted` where it is the author", conversation: "a token, or `h_…` where the id is none", type: "other characters as `_`, cut to 64"
}

/** A channel: its address with parameters, what is on it, and the stream that keeps it. */
const channel = (given: string, carried: ReadonlyArray<string>, about: string): Json => {
  const address = inWords(given)
  const names = [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
  return {
    address,
    description: about,
    ...(names.length === 0 ? {} : { parameters: Object.fromEntries(names.map((name) => [name, { description: described[name] }])) }),
    messages: Object.fromEntries(carried.map((name) => [name, { $ref: `#/components/messages/${name}` }]))
  }
}

const [tenant, peer] = ["t_tenant", "peer_peer"]
/** Event types by the log subject they lie under. */
const on = (subject: string) => types.filter((type) => logSubjectOf(tenant, type, type.startsWith("peer.") || type === "key.rotated" ? peer : "conversation_id") === subject)
const kept = ({ name, why }: { readonly name: string; readonly why: string }) => `Kept in ${name}. ${why}`

const logChannels = {
  logConversation: [subjects.logConversation(tenant, "conversation_id"), on(subjects.logConversation(tenant, "conversation_id"))],
  logSettings: [subjects.logSettings(tenant), on(subjects.logSettings(tenant))],
  logPeer: [subjects.logPeer(tenant, peer), on(subjects.logPeer(tenant, peer))],
  logCommit: [subjects.logCommit(tenant, peer), ["commitRecord"]]
} as const

const requests = { commit: ["commit", "verdict"], telemetry: ["telemetryBatch", "telemetryStored"], head: ["headRequest", "headAnswer"] } as const

/** What flows where, for programs that read or write it: the tables of `streams/` as AsyncAPI 3. */
export const asyncapi = (): Json => ({
  asyncapi: "3.0.0",
  info: {
    title: "Maestra Sync, streams and events", version, license: { name: "Apache-2.0" },
    description: "Generated from the tables in `streams/`. HTTP requests are in `/openapi.json`; what a client signs and seals, and how, is in docs/PROTOCOL.md."
  },
  servers: {
    hub: { host: "localhost:4222", protocol: "nats", description: "The hosted side's nats-server. Tools read `log.{tenant}.>` through a consumer granted to them." },
    local: { host: "localhost:8825", protocol: "ws", description: "A local backend's gateway." },
    hosted: { host: "localhost:8826", protocol: "ws", description: "A hosted backend's gateway." }
  },
  channels: {
    ...Object.fromEntries(Object.entries(logChannels).map(([name, [address, carried]]) => [name, { ...channel(address, carried, kept(streams.log)), servers: [{ $ref: "#/servers/hub" }] }])),
    telemetry: { ...channel(subjects.telemetry(tenant, peer, "event_type"), ["telemetryKept"], kept(streams.telemetry)), servers: [{ $ref: "#/servers/hub" }] },
    ...Object.fromEntries(Object.entries(requests).map(([name, carried]) => [`ingest_${name}`, { ...channel(subjects.ingest(tenant, peer, name as keyof typeof requests), carried, "A request over the leaf link, answered by any hosted process."), servers: [{ $ref: "#/servers/hub" }] }])),
    telemetryStream: { ...channel(`/telemetry/{peer}`, ["telemetryEvent", "telemetryResult"], "WebSocket; credentials and close codes are in docs/TELEMETRY.md."), servers: [{ $ref: "#/servers/local" }, { $ref: "#/servers/hosted" }] },
    events: { ...channel("/events", types, "Server-Sent Events: `id` is a cursor to resume behind, `event` the type, `data` the event with its data opened."), servers: [{ $ref: "#/servers/local" }, { $ref: "#/servers/hosted" }] }
  },
  operations: {
    readLog: { action: "send", channel: { $ref: "#/channels/logConversation" }, summary: "Events of a conversation, in the order of their commits." },
    ...Object.fromEntries(Object.entries(requests).map(([name, [asked, answered]]) => [`ingest_${name}`, {
      action: "receive", channel: { $ref: `#/channels/ingest_${name}` }, messages: [{ $ref: `#/channels/ingest_${name}/messages/${asked}` }],
      reply: { channel: { $ref: `#/channels/ingest_${name}` }, messages: [{ $ref: `#/channels/ingest_${name}/messages/${answered}` }] }
    }])),
    tellTelemetry: {
      action: "receive", channel: { $ref: "#/channels/telemetryStream" }, messages: [{ $ref: "#/channels/telemetryStream/messages/telemetryEvent" }],
      reply: { channel: { $ref: "#/channels/telemetryStream" }, messages: [{ $ref: "#/channels/telemetryStream/messages/telemetryResult" }] }
    },
    hearEvents: { action: "send", channel: { $ref: "#/channels/events" }, summary: "What happens, to whoever may read the tenant." }
  },
  components: { messages, schemas: Object.fromEntries(shared) }
})
