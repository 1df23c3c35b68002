import { Duration, Effect, Result, Schedule, Schema, Stream } from "effect"
import { Audit, type AuditEntry } from "../../streams/Audit.ts"
import { CommandFailed, type Progress, StoreUnavailable } from "../../streams/Backend.ts"
import { AuditCheck, type AuditEnd, emptyChain, endOf, linked, parseAudit } from "../security/auditChain.ts"
import { makeAuditing, type Unlinked } from "../security/auditing.ts"
import { type AuditFile, olderFiles, openAuditFile } from "./auditFile.ts"

/** The audit's file cannot be read or written. */
export class AuditUnreadable extends Schema.TaggedError<AuditUnreadable>()("AuditUnreadable", { hint: Schema.String }) {}

const retries = Schedule.spaced(Duration.seconds(2))

/** `Audit` as JSON lines in a file of this user, one chain over all of them. */
export const localAudit = Effect.fn("localAudit")(function*(path: string) {
  const unreadable = () => new AuditUnreadable({ hint: `${path} cannot be read or written. Check the folder's permissions and free space.` })
  const onFile = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: unreadable })
  const file = yield* onFile(() => openAuditFile(path))
  let end = yield* onFile(() => endIn(file))
  const auditing = yield* makeAuditing((group) =>
    Effect.suspend(() => {
      const { last, lines } = chained(end, group)
      return onFile(() => file.append(lines)).pipe(Effect.andThen(Effect.sync(() => { end = last })))
    }).pipe(
      Effect.tapError(({ hint }) => Effect.logWarning("the audit cannot be written; trying again", { hint })),
      Effect.retry(retries),
      Effect.orDie))
  const failed = ({ hint }: AuditUnreadable) => new StoreUnavailable({ hint })
  return {
    run: auditing.run,
    service: Audit.of({
      record: auditing.record,
      count: auditing.count,
      read: ({ from, limit }) =>
        onFile(() => from === undefined ? newest(file, limit) : since(file, Number(from))).pipe(
          Effect.map((entries) => {
            const page = from === undefined ? entries.slice(-limit) : entries.slice(0, limit)
            return { entries: page, cursor: String((page.at(-1)?.n ?? (from === undefined ? end.n : Number(from) - 1)) + 1) }
          }),
          Effect.mapError(failed)),
      verify: Stream.fromEffect(onFile(() => check(file))).pipe(
        Stream.map((result): Progress => ({ done: true, at: result.entries, of: result.entries, result })),
        Stream.mapError(({ hint }) => new CommandFailed({ status: 503, type: "not-stored", hint })))
    })
  }
})

const chained = (from: AuditEnd, group: ReadonlyArray<Unlinked>) => {
  let last = from
  const lines = group.map((entry) => {
    const { bytes, end } = linked(last, { ...entry, tenant: null })
    last = end
    return bytes
  })
  return { last, lines }
}

const endIn = async (file: AuditFile): Promise<AuditEnd> => {
  for (const index of [0, 1]) {
    const line = (await file.lines(index))?.at(-1)
    if (line !== undefined) return Result.getOrElse(endOf(line), () => emptyChain)
  }
  return emptyChain
}

const parsed = (lines: ReadonlyArray<Uint8Array>): ReadonlyArray<AuditEntry> =>
  lines.flatMap((line) => Result.match(parseAudit(line), { onFailure: () => [], onSuccess: (entry) => [entry] }))

/** From the newest file back, until there are enough. */
const newest = async (file: AuditFile, limit: number): Promise<ReadonlyArray<AuditEntry>> => {
  let found: ReadonlyArray<AuditEntry> = []
  for (let index = 0; index <= olderFiles && found.length < limit; index++) {
    const lines = await file.lines(index)
    if (lines === undefined) break
    found = [...parsed(lines), ...found]
  }
  return found
}

/** From the newest file back, until one begins before it. */
const since = async (file: AuditFile, n: number): Promise<ReadonlyArray<AuditEntry>> => {
  let found: ReadonlyArray<AuditEntry> = []
  for (let index = 0; index <= olderFiles && (found[0]?.n ?? Number.POSITIVE_INFINITY) > n; index++) {
    const lines = await file.lines(index)
    if (lines === undefined) break
    found = [...parsed(lines), ...found]
  }
  return found.filter((entry) => entry.n >= n)
}

const check = async (file: AuditFile) => {
  const checked = new AuditCheck()
  let place = 0
  for (let index = olderFiles; index >= 0; index--) {
    for (const line of await file.lines(index) ?? []) checked.read(line, ++place, "")
  }
  return checked.result()
}
