import { Schema } from "effect"

/** What went wrong, as far as somebody can do something about it. */
export type Reason = typeof Reason.Type
export const Reason = Schema.Literals(["disk full", "corrupt", "busy", "not writable", "cannot open", "input or output", "defect"])

/**
 * SQLite gave up. The transaction left no trace; logs and journal are untouched, so nothing is lost:
 * what is in this file can always be read again from them. `hint` says what to do now.
 */
export class SqliteFailed extends Schema.TaggedError<SqliteFailed>()("SqliteFailed", {
  reason: Reason,
  /** SQLite's own code, as `SQLITE_FULL`. */
  code: Schema.String,
  hint: Schema.String,
  /** SQLite's sentence. It names tables and columns, never values. */
  detail: Schema.String
}) {
  static of(error: Error): SqliteFailed {
    const code = "code" in error && typeof error.code === "string" ? error.code : "SQLITE_ERROR"
    const reason = reasons[code] ?? "defect"
    return new SqliteFailed({ reason, code, hint: hints[reason], detail: error.message })
  }
}

const reasons: Readonly<Record<string, Reason>> = {
  SQLITE_FULL: "disk full",
  SQLITE_CORRUPT: "corrupt",
  SQLITE_NOTADB: "corrupt",
  SQLITE_BUSY: "busy",
  SQLITE_LOCKED: "busy",
  SQLITE_READONLY: "not writable",
  SQLITE_PERM: "not writable",
  SQLITE_CANTOPEN: "cannot open",
  SQLITE_IOERR: "input or output"
}

const hints: Readonly<Record<Reason, string>> = {
  "disk full": "Free disk space; the same batch is then taken as if nothing had happened.",
  corrupt: "Stop, delete the projection database (with -wal and -shm beside it), start again: it is rebuilt from the logs.",
  busy: "Another program holds the database open for writing. Close it; one process owns a data directory.",
  "not writable": "Give this user write permission on the database and its folder.",
  "cannot open": "Check that the folder exists and belongs to this user.",
  "input or output": "The disk or file system failed. Check it; if the file is damaged delete it, it is rebuilt.",
  defect: "This is a mistake in this program; please report it. Nothing was changed."
}
