import * as Schema from "effect/Schema"
import { AdminToken, KeyRow } from "../../streams/Access.ts"
import { Problem } from "./call.ts"

/**
 * What the HTTP answers look like, as far as the command line reads them for people. `--json` prints answers as they
 * came, so a field that is new there needs nothing here.
 */

const Optional = Schema.optionalKey(Schema.NullOr(Schema.String))

export const Conversations = Schema.Struct({
  conversations: Schema.Array(Schema.Struct({
    conversation_id: Schema.String,
    title: Optional,
    version: Schema.Finite,
    message_count: Schema.Finite,
    last_modified: Optional,
    source_backend: Optional
  })),
  next_cursor: Schema.NullOr(Schema.String)
})

export const Hits = Schema.Struct({
  hits: Schema.Array(Schema.Struct({ conversation_id: Schema.String, message_id: Optional, role: Optional, timestamp: Optional, excerpt: Schema.String })),
  next_cursor: Schema.NullOr(Schema.String),
  behind: Schema.Boolean
})

export const Conversation = Schema.Struct({
  conversation_id: Schema.String,
  title: Optional,
  version: Schema.Finite,
  messages: Schema.Array(Schema.Struct({
    id: Schema.String,
    role: Schema.String,
    content: Schema.String,
    timestamp: Optional,
    surface: Optional,
    source_backend: Optional,
    tier: Optional,
    withheld: Optional
  }))
})

const Reached = Schema.Struct({ tier: Schema.String, missing: Schema.Array(Schema.String) })

/** A write on a message; `reached` says how far it had come when the answer was given. */
export const Wrote = Schema.Struct({
  conversation_id: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.Struct({ id: Schema.String })),
  event_id: Schema.optionalKey(Schema.String),
  reached: Schema.optionalKey(Reached)
})

const Write = Schema.Struct({
  event_id: Schema.String,
  type: Schema.String,
  role: Optional,
  content: Optional,
  surface: Optional,
  source_backend: Optional,
  source_backend_id: Optional,
  stamp: Schema.Struct({ time: Schema.String }),
  current: Schema.optionalKey(Schema.Boolean),
  withheld: Optional
})
export type Write = typeof Write.Type

export const History = Schema.Struct({ writes: Schema.Array(Write) })

export const Conflicts = Schema.Struct({
  conflicts: Schema.Array(Schema.Struct({
    conversation_id: Schema.String,
    message_id: Schema.String,
    shown: Write,
    losing: Schema.Array(Write)
  })),
  next_cursor: Schema.NullOr(Schema.String)
})

export const Imported = Schema.Struct({
  conversations: Schema.Finite,
  messages: Schema.Finite,
  events: Schema.Finite,
  unchanged: Schema.Finite,
  invalid: Schema.Array(Schema.Struct({ line: Schema.Finite, why: Schema.String }))
})

export const Digest = Schema.Struct({ conversations: Schema.Finite, messages: Schema.Finite, digest: Schema.String })
export type Digest = typeof Digest.Type

export const Health = Schema.Struct({ status: Schema.String, backend_id: Schema.String, version: Schema.String })

/** `LocalStatus` of streams/Backend.ts, as far as people are shown it. */
export const Status = Schema.Struct({
  state: Schema.String,
  sentence: Schema.String,
  backend_id: Schema.String,
  peer_id: Schema.NullOr(Schema.String),
  hosted_url: Schema.NullOr(Schema.String),
  pending: Schema.Finite,
  behind: Schema.Finite,
  last_sync: Schema.NullOr(Schema.String),
  registration_expires_at: Schema.NullOr(Schema.String),
  conversations: Schema.Finite,
  messages: Schema.Finite,
  conflicts: Schema.Finite,
  quarantined: Schema.Finite,
  set_aside: Schema.Finite,
  needs: Schema.NullOr(Schema.String)
})
export type Status = typeof Status.Type

const told = { status: Schema.String, summary: Schema.String, todo: Schema.String }
export const FiringAlerts = Schema.Struct({ alerts: Schema.Array(Schema.Struct(told)) })
const maybe = Schema.NullOr(Schema.String)
export const ListedAlerts = Schema.Struct({ alerts: Schema.Array(Schema.Struct({ ...told, kind: Schema.String, subject: Schema.String, raised_at: Schema.String, resolved_at: maybe, silenced_until: maybe })) })

export const Checks = Schema.Struct({ checks: Schema.Array(Schema.Struct({ level: Schema.Literals(["ok", "warn", "fail"]), name: Schema.String, detail: Schema.String, todo: Schema.optionalKey(Schema.String) })) })

export const Enrolled = Schema.Struct({
  code: Schema.String,
  user_id: Schema.String,
  tenant: Schema.String,
  expires_at: Schema.String
})

export const Emitted = Schema.Struct({
  results: Schema.Array(Schema.Struct({ status: Schema.String, event_id: Schema.String, error: Schema.optionalKey(Schema.String) }))
})

export const TelemetryPage = Schema.Struct({ events: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)), next_cursor: Schema.NullOr(Schema.String) })
export const TelemetryHours = Schema.Struct({ hours: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)), next_cursor: Schema.NullOr(Schema.String) })

/** What a tool may do, with its secrets: these go into files, never to the screen. */
export const Granted = Schema.Struct({
  name: Schema.String,
  tenant: Schema.String,
  servers: Schema.Array(Schema.String),
  creds: Schema.optionalKey(Schema.String),
  nkey_seed: Schema.optionalKey(Schema.String),
  inbox_prefix: Schema.String,
  subject: Schema.String,
  consumer: Schema.String,
  expires_at: Schema.String,
  data_keys: Schema.Array(Schema.Struct({ kid: Schema.String, kty: Schema.String, k: Schema.String }))
})

export const Advice = Schema.Struct({ conversation_id: Schema.String, content: Schema.String })
export const CompanionCode = Schema.Struct({ code: Schema.String, url: Schema.String, expires_at: Schema.String })
export const OperatorCode = Schema.Struct({ code: Schema.String, public_url: Schema.String, expires_at: Schema.String })

/** The settings in force; one kept by an older backend has no region. */
export const PrivacySettings = Schema.Struct({
  user_id: Schema.NullOr(Schema.String),
  sync_enabled: Schema.Boolean,
  sync_conversations: Schema.Boolean,
  sync_telemetry: Schema.Boolean,
  redact_pii: Schema.Boolean,
  retention_days: Schema.Finite,
  allowed_surfaces: Schema.NullOr(Schema.Array(Schema.String)),
  default_region: Schema.NullOr(Schema.String),
  keep_own_copies: Schema.Boolean
})

/** What an erasure did, and where it is still to come. */
export const ErasedAnswer = Schema.Struct({
  tenant: Schema.NullOr(Schema.String),
  erased_at: Schema.String,
  devices: Schema.Array(Schema.Struct({ peer_id: Schema.String, reached: Schema.Boolean })),
  to_do: Schema.NullOr(Schema.String)
})

export const ExpiredAnswer = Schema.Struct({ conversations: Schema.Finite, events: Schema.Finite })

/** The answer of a command that only has something to say. */
export const Told = Schema.Struct({ sentence: Schema.String })

export const Paired = Schema.Struct({ status: Schema.String, peer_id: Schema.String })

/** Rows whose columns the backend decides: peers, the status of hosted, `debug`. */
export const Row = Schema.Record(Schema.String, Schema.Unknown)

/** A line of long work. The last has `done: true` and the result. */
export const Progress = Schema.Struct({
  done: Schema.Boolean,
  at: Schema.Finite,
  of: Schema.Finite,
  result: Schema.optionalKey(Row),
  /** On the last line, where the work failed on the way. */
  problem: Schema.optionalKey(Problem)
})
export type Progress = typeof Progress.Type

export const Verified = Schema.Struct({
  ok: Schema.Boolean,
  commits: Schema.Finite,
  events: Schema.Finite,
  digest: Schema.optionalKey(Schema.String),
  problems: Schema.Array(Schema.Struct({ seq: Schema.Finite, what: Schema.String, detail: Schema.optionalKey(Schema.String) }))
})

export { NewAdminToken, Rotated } from "../../streams/Access.ts"
export const KeyRows = Schema.Struct({ keys: Schema.Array(KeyRow) })
export const AdminTokens = Schema.Struct({ tokens: Schema.Array(AdminToken) })

export const AuditPage = Schema.Struct({
  entries: Schema.Array(Schema.Struct({
    time: Schema.String,
    type: Schema.String,
    tenant: Optional,
    by: Schema.String,
    count: Schema.optionalKey(Schema.Finite),
    data: Schema.Record(Schema.String, Schema.Unknown)
  })),
  next_cursor: Schema.String
})

export const AuditVerified = Schema.Struct({
  ok: Schema.Boolean,
  entries: Schema.Finite,
  chains: Schema.Array(Schema.Struct({ tenant: Schema.NullOr(Schema.String), last: Schema.Finite, head: Schema.String, signed_by: Schema.NullOr(Schema.String) })),
  problems: Schema.Array(Schema.Struct({ place: Schema.Finite, what: Schema.String }))
})
