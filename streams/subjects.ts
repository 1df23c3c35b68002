import { Result } from "effect"
import type { EventType } from "./catalog.ts"
import { isToken } from "./ids.ts"

/**
 * Every subject this system uses. Nothing else in the repository writes a subject by hand.
 *
 * | subject                             | written by    | read by            | kept in |
 * | ----------------------------------- | ------------- | ------------------ | ------- |
 * | `journal.conv.<conversation>`       | local         | relay, projections | JOURNAL |
 * | `journal.settings`, `journal.peer.<peer>` | local   | relay, projections | JOURNAL |
 * | `journal.commit.<author>`           | local gateway | relay              | JOURNAL |
 * | `telemetry.<type>`                  | local         | relay              | TELEMETRY_OUT |
 * | `log.<tenant>.conv.<conversation>`  | ingest        | everyone of the tenant | LOG, MIRROR |
 * | `log.<tenant>.settings`, `.peer.<peer>`, `.commit.<author>` | ingest | 〃 | LOG, MIRROR |
 * | `part.<n>.log.<tenant>.…`           | ingest        | nobody: the partition stores it as `log.<tenant>.…` | LOG_<n> |
 * | `telemetry.<tenant>.<peer>.<type>`  | ingest        | roll-ups           | TELEMETRY |
 * | `audit.<tenant or _>.<event type>`  | hosted        | operators          | AUDIT   |
 * | `alerts.<tenant or _>.<kind>`       | hosted        | operators          | ALERTS  |
 * | `ingest.<tenant>.<peer>.<commit, telemetry, head>` | relay | ingest     | request |
 * | `position.<tenant>`                 | hosted        | hosted             | —       |
 * | `disk.<server>`                     | beside a server of a cluster | hosted processes | — |
 * | `storekey.wanted`, `storekey.told`  | hosted        | hosted             | —       |
 * | `deliver.<peer>.log`                | the hub       | that peer's mirror | —       |
 * | `tool.<id>.log`                     | local's server | that tool         | —       |
 */
export const subjects = {
  journalConversation: (token: string) => join("journal", "conv", token),
  journalSettings: "journal.settings",
  journalPeer: (peer: string) => join("journal", "peer", peer),
  journalCommit: (author: string) => join("journal", "commit", author),
  telemetryOut: (type: string) => join("telemetry", typeToken(type)),
  logConversation: (tenant: string, conversation: string) => join("log", tenant, "conv", conversation),
  logConversations: (tenant: string) => `${join("log", tenant, "conv")}.*`,
  logSettings: (tenant: string) => join("log", tenant, "settings"),
  logPeer: (tenant: string, peer: string) => join("log", tenant, "peer", peer),
  logCommit: (tenant: string, author: string) => join("log", tenant, "commit", author),
  logTenant: (tenant: string) => `${join("log", tenant)}.>`,
  telemetry: (tenant: string, peer: string, type: string) => join("telemetry", tenant, peer, typeToken(type)),
  audit: (tenant: string | undefined, type: string) => join("audit", tenant ?? noTenant, typeToken(type)),
  /** All entries of one tenant: what its chain is fenced on. */
  auditTenant: (tenant: string | undefined) => `${join("audit", tenant ?? noTenant)}.*`,
  ingest: (tenant: string, peer: string, what: "commit" | "telemetry" | "head") => join("ingest", tenant, peer, what),
  alert: (tenant: string | null, kind: string) => join("alerts", tenant ?? noTenant, kind),
  deliver: (peer: string) => join("deliver", peer, "log"),
  tool: (id: string) => join("tool", id, "log"),
  disk: (server: string) => join("disk", server),
  position: (tenant: string) => join("position", tenant),
  storeKeyWanted: "storekey.wanted",
  storeKeyTold: "storekey.told",
  partition: (index: number, subject: string) => `${join("part", String(index))}.${subject}`
} as const

export const patterns = {
  journal: "journal.>",
  telemetryOut: "telemetry.*",
  log: "log.>",
  logCommits: "log.*.commit.*",
  telemetry: "telemetry.*.*.*",
  audit: "audit.*.*",
  alerts: "alerts.*.*",
  ingest: "ingest.*.*.*",
  disk: "disk.*",
  position: "position.*",
  partition: "part.*.log.>"
} as const

/** Stands for the tenant in what concerns none. */
export const noTenant = "_"

/** Types of telemetry are free text, those of audit entries have dots; in subjects their other characters become `_`, and 64 are kept. */
const typeToken = (type: string) => type.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 64) || "_"

/** A dot or a wildcard inside a token would let one tenant write into another's subjects: a defect, never input. */
const join = (...tokens: ReadonlyArray<string>): string => {
  for (const token of tokens) if (!isToken(token)) throw new RangeError(`not a subject token: ${JSON.stringify(token)}`)
  return tokens.join(".")
}

/** Where in the log an event belongs, by its type: `conv.<conversation>`, `settings` or `peer.<subject peer>`. */
export const logSubjectOf = (tenant: string, type: EventType, subject: string): string =>
  type === "settings.changed" || type === "tenant.erased"
    ? subjects.logSettings(tenant)
    : type.startsWith("peer.") || type === "key.rotated"
    ? subjects.logPeer(tenant, subject)
    : subjects.logConversation(tenant, subject)

/** Whose framed commit a journal message is; nothing for the local backend's own events. */
export const journalCommitAuthor = (subject: string): string | undefined => {
  const [journal, commit, author, more] = subject.split(".")
  return journal === "journal" && commit === "commit" && more === undefined ? author : undefined
}

/** A log subject apart. `id` is `""` for settings. */
export const parseLog = (
  subject: string
): Result.Result<{ readonly tenant: string; readonly kind: "conv" | "settings" | "peer" | "commit"; readonly id: string }, string> => {
  const [log, tenant, kind, id, more] = subject.split(".")
  if (log === "log" && tenant !== undefined && tenant !== "" && more === undefined) {
    if (kind === "settings" && id === undefined) return Result.succeed({ tenant, kind, id: "" })
    if ((kind === "conv" || kind === "peer" || kind === "commit") && id !== undefined) return Result.succeed({ tenant, kind, id })
  }
  return Result.fail(`not a log subject: ${subject}`)
}

/** `telemetry.<tenant>.<peer>.<type>` apart. The type there is cut and mapped: the event has the original. */
export const parseTelemetry = (subject: string): Result.Result<{ readonly tenant: string; readonly peer: string }, string> => {
  const [telemetry, tenant, peer, type, more] = subject.split(".")
  return telemetry === "telemetry" && tenant !== undefined && peer !== undefined && type !== undefined && more === undefined
    ? Result.succeed({ tenant, peer })
    : Result.fail(`not a telemetry subject: ${subject}`)
}

/** `ingest.<tenant>.<peer>.<what>` apart. The sender is what the subject says: permissions hold it to that. */
export const parseIngest = (subject: string): Result.Result<{ readonly tenant: string; readonly peer: string; readonly what: string }, string> => {
  const [ingest, tenant, peer, what, more] = subject.split(".")
  return ingest === "ingest" && tenant !== undefined && peer !== undefined && what !== undefined && more === undefined
    ? Result.succeed({ tenant, peer, what })
    : Result.fail(`not an ingest subject: ${subject}`)
}
