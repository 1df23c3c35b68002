import { Clock, DateTime, Effect, Result, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Registrar, selfTenant } from "../../../../streams/Backend.ts"
import { Audit } from "../../../../streams/Audit.ts"
import type { Erased } from "../../../../streams/ErasureReceipt.ts"
import { TenantData } from "../../../../streams/TenantData.ts"
import { defaults, type Settings } from "../../../../streams/events/settings.ts"
import { readImport } from "../../import/lines.ts"
import { exportAll } from "../../privacy/exported.ts"
import { preview } from "../../privacy/preview.ts"
import { Reads } from "../../Reads.ts"
import { Recording } from "../../Recording.ts"
import { makeAlias } from "../../privacy/alias.ts"
import { Api } from "../api.ts"
import { type PrivacySettings, SettingsChange } from "../api/privacy.ts"
import { type Body, bytesOf, invalid, jsonOf } from "../body.ts"
import { Caller } from "../caller.ts"
import { problem, refused } from "../problems.ts"
import { json, ndjson } from "../respond.ts"

/** Surface of a change made over HTTP. */
const surface = "api"
/** `user_id` is shown with the settings and is none: a client may send back what it was shown. */
const known: ReadonlySet<string> = new Set([...Object.keys(defaults), "user_id"])
const decodeChange = Schema.decodeUnknownResult(SettingsChange)

/** The tables could not be read to their end: the archive breaks off, which its reader sees by the missing last file. */
class ExportBroken extends Schema.TaggedError<ExportBroken>()("ExportBroken", { cause: Schema.Defect() }) {}

/** A person's settings: what may leave, shown and changed. A change is in force when it is answered. */
export const privacyHandlers = HttpApiBuilder.group(Api, "privacy", Effect.fn(function*(handlers) {
  const reads = yield* Reads
  const recording = yield* Recording
  const data = yield* TenantData
  const audit = yield* Audit
  const { identity: { backend_id, backend_type } } = yield* Registrar

  const settingsOf = (tenant: string) => Effect.andThen(recording.settled(tenant), refused(reads.settings(tenant)))
  const shown = Effect.fnUntraced(function*(tenant: string) {
    const { settings } = yield* settingsOf(tenant)
    return json<typeof PrivacySettings.Type>({ user_id: yield* refused(data.userOf(tenant)), ...settings })
  })

  return handlers.handleAll({
    read: () => Effect.flatMap(Caller, ({ tenant }) => shown(tenant)),
    erase: () =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        return json<Erased>(yield* refused(data.erase(tenant)))
      }),
    export: () =>
      Effect.gen(function*() {
        const { tenant } = yield* Caller
        const userId = yield* refused(data.userOf(tenant))
        yield* recording.settled(tenant)
        yield* audit.record({ type: "data.exported", ...(tenant === selfTenant ? {} : { tenant }), data: {} })
        // counted first: how much is still to come is told by nothing else
        const { conversations, messages } = yield* refused(reads.counted(tenant))
        const bytes = exportAll(reads, { tenant, userId, backendId: backend_id, side: backend_type === "hosted" ? "hosted" : "local" }, yield* Clock.currentTimeMillis)
        return HttpServerResponse.stream(Stream.fromAsyncIterable(bytes, (cause) => new ExportBroken({ cause })), {
          contentType: "application/x-tar",
          headers: { "cache-control": "no-store", "content-disposition": "attachment; filename=maestra-export.tar", "maestra-lines": String(conversations + messages) }
        })
      })
  }).handleRaw("change", ({ request }) =>
    Effect.gen(function*() {
      const { kind, tenant, via } = yield* Caller
      if (kind === "operator") return yield* problem("read-only", "The admin token does not change what a person decided.", "Only the person's own devices do.")
      const change = yield* readChange(yield* jsonOf(request))
      const { latest } = yield* settingsOf(tenant)
      // the base says which earlier changes this one knows of and replaces; of those it does not know the stricter wins
      const fact = { type: "settings.changed" as const, data: latest === undefined ? change : { ...change, base: latest } }
      if (Object.keys(change).length > 0) yield* refused(recording.record(tenant, [{ fact, subject: "settings", surface, ...(via === undefined ? {} : { via }) }]))
      return yield* shown(tenant)
    })).handleRaw("preview", ({ request }) =>
    Effect.gen(function*() {
      const { tenant } = yield* Caller
      const { lines } = readImport(yield* bytesOf(request), DateTime.formatIso(yield* DateTime.now))
      const { settings } = yield* settingsOf(tenant)
      const context = { settings, shareId: makeAlias() }
      return yield* ndjson(Stream.map(Stream.fromIterable(lines), (line) => preview(line, context)))
    }))
}))

const readChange = Effect.fnUntraced(function*(body: Body) {
  const stranger = Object.keys(body).find((field) => !known.has(field))
  if (stranger !== undefined) return yield* invalid(stranger, `There is no setting ${JSON.stringify(stranger.slice(0, 100))}.`, `The settings are ${Object.keys(defaults).join(", ")}.`)
  const change = decodeChange(body)
  if (Result.isFailure(change)) {
    const field = Object.keys(body).find((name) => Result.isFailure(decodeChange({ [name]: body[name] }))) ?? ""
    return yield* invalid(field, `${field === "" ? "A setting" : field} does not have the right shape.`, "See SettingsChange in /openapi.json.")
  }
  return change.success satisfies Partial<Settings>
})
