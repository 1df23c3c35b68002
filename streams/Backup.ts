import { Schema } from "effect"

/**
 * What a backup is made of, in the order its parts are to be read: logs first, so that the keys are never older than
 * what they open. `keys`: the part opens what other parts hold, and is kept apart from them.
 */
export const BackupPlan = Schema.Struct({
  backend_id: Schema.String,
  log_id: Schema.String,
  log_epoch: Schema.Int,
  nats_server: Schema.String,
  parts: Schema.Array(Schema.Struct({ name: Schema.String, keys: Schema.Boolean }))
})
export type BackupPlan = typeof BackupPlan.Type

/** Where a backup is written: an absolute path, and the name of the machine it is on. */
export interface BackupPlace {
  readonly folder: string
  readonly host: string
}

/** A part of a backup as it comes: what it is (`of`: bytes, about), its bytes in base64, and the word that it is whole. */
export const BackupRow = Schema.Union([
  Schema.Struct({ head: Schema.NullOr(Schema.Record(Schema.String, Schema.Json)), of: Schema.Int }),
  Schema.Struct({ data: Schema.String }),
  Schema.Struct({ whole: Schema.Literal(true) })
])
export type BackupRow = typeof BackupRow.Type
