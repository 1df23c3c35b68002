import { Clock, Duration, Effect, Result, Schema, Semaphore, SubscriptionRef } from "effect"
import { join } from "node:path"
import { refusalOfToolDays, refusalOfToolName, type Tools } from "../../streams/Access.ts"
import type { Audit } from "../../streams/Audit.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { subjects } from "../../streams/subjects.ts"
import { isoTime } from "../../streams/time.ts"
import type { Wire } from "../nats/connect.ts"
import type { LeafConfig } from "../nats/leafConfig.ts"
import { deleteMirrorTool, ensureMirrorTool, newToolUser, toolInbox } from "../nats/localTools.ts"
import type { ServerProcess } from "../nats/ServerProcess.ts"
import { toBase64url } from "../security/digest.ts"
import { opaqueId } from "../security/opaqueId.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { dataKeyBytes } from "../security/sealing.ts"
import { pairedIn, type State } from "./State.ts"

/** The list of tools cannot be read or written. */
export class ToolsUnreadable extends Schema.TaggedError<ToolsUnreadable>()("ToolsUnreadable", { file: Schema.String, hint: Schema.String }) {}

export interface ToolsContext {
  readonly agent: Wire
  readonly leaf: LeafConfig
  readonly server: ServerProcess
  readonly state: State
  readonly dataDir: string
  readonly audit: { readonly service: Audit["Service"] }
}

/** One tool that was let in. Its seed is in its own file, and nowhere here. */
const Kept = Schema.Struct({ name: Schema.String, tenant: Schema.String, id: Schema.String, nkey: Schema.String, consumer: Schema.String, expires_at: Schema.String })
type Kept = typeof Kept.Type
const List = Schema.fromJsonString(Schema.Array(Kept))

/** Grants that ended are noticed, and the consumers of a mirror made anew are made, within this. */
const lookEvery = Duration.seconds(2)

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const unavailable = () => failed(503, "try-again", "The local nats-server does not answer right now; try again in a moment.")
const notStored = ({ hint }: { readonly hint: string }) => failed(503, "not-stored", hint)

/** Who was let in: kept on the disk, and in force on the server. */
const openList = Effect.fnUntraced(function*({ agent, dataDir, leaf, server }: ToolsContext) {
  const file = join(dataDir, "tools.json")
  const unreadable = () => new ToolsUnreadable({ file, hint: `${file} is damaged or cannot be written. Put a copy back, or remove it and grant access again.` })
  const text = yield* Effect.tryPromise({
    try: async () => (await readIfThere(file)) ?? "[]",
    catch: unreadable
  })
  const read = Schema.decodeResult(List)(text)
  if (Result.isFailure(read)) return yield* unreadable()
  let kept: ReadonlyArray<Kept> = read.success
  /** The server did not say yet that it goes by the file. */
  let behind = false
  const enforce = Effect.fnUntraced(function*(tools: ReadonlyArray<Kept>) {
    behind ||= (yield* leaf.letIn(tools)) === "reload"
    if (behind) yield* server.reload
    behind = false
  })
  yield* enforce(kept)
  return {
    all: () => kept,
    /** On the disk, then on the server; a crash in between is made good at the next start. */
    keep: Effect.fnUntraced(function*(next: ReadonlyArray<Kept>) {
      yield* Effect.tryPromise({ try: () => replaceFile(file, `${JSON.stringify(next, null, 2)}\n`), catch: unreadable })
      yield* enforce(next)
      const gone = kept.filter((one) => !next.includes(one))
      kept = next
      yield* Effect.forEach(gone, (one) => Effect.ignore(deleteMirrorTool(agent, one)), { discard: true })
    })
  }
})

/**
 * Read-only access for tools to this machine's own nats-server: an nkey, one subject, and the flow control of one consumer
 * of the mirror. The list is kept, and the server's configuration made from it; `run` ends grants whose time is over.
 */
export const openTools = Effect.fn("openTools")(function*(context: ToolsContext) {
  const { agent, server, state } = context
  const { all, keep } = yield* openList(context)
  const turn = yield* Semaphore.make(1)

  const look = Effect.gen(function*() {
    const now = isoTime(yield* Clock.currentTimeMillis)
    const lasting = all().filter(({ expires_at }) => expires_at > now)
    if (lasting.length < all().length) yield* keep(lasting)
    const tenant = pairedIn(state)?.with.tenant
    // the mirror is of one tenant; a tool of the one before hears nothing of this one
    for (const one of all()) if (one.tenant === tenant) yield* ensureMirrorTool(agent, tenant, one)
  })

  const grant = Effect.fnUntraced(function*(name: string, days: number) {
    const wrong = refusalOfToolName(name) ?? refusalOfToolDays(days)
    if (wrong !== undefined) return yield* wrong
    const paired = pairedIn(state)
    if (paired === undefined) return yield* failed(409, "not-paired", "This machine is not paired, so there is no log a tool could read: `maestra local pair CODE`; `maestra subscribe` hears what is written here.")
    if (SubscriptionRef.getUnsafe(state.revoked)) return yield* failed(409, "revoked", "This machine was revoked: no tool is let in on it any more. What it holds stays readable here.")
    const { tenant } = paired.with
    const expires_at = isoTime((yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.days(days)))
    const { seed, user } = newToolUser({ tenant, name })
    yield* keep([...all().filter((one) => one.name !== name), { name, tenant, ...user, expires_at }]).pipe(Effect.mapError(notStored))
    yield* ensureMirrorTool(agent, tenant, user).pipe(Effect.mapError(unavailable))
    yield* context.audit.service.record({ type: "tool.granted", data: { tool_id: opaqueId("tool", tenant, name), expires_at } })
    return {
      name, tenant,
      servers: [`127.0.0.1:${server.clientPort}`],
      nkey_seed: seed,
      inbox_prefix: toolInbox(user.id),
      subject: subjects.tool(user.id),
      consumer: user.consumer,
      expires_at,
      data_keys: paired.secrets.dataKeys.map((key) => ({ kid: key.kid, kty: "oct" as const, k: toBase64url(dataKeyBytes(key)) }))
    }
  })

  const revoke = Effect.fnUntraced(function*(name: string) {
    const held = all().find((one) => one.name === name)
    if (held === undefined) return yield* failed(404, "unknown-tool", `No tool of the name ${name} has access to this machine.`)
    yield* keep(all().filter((one) => one !== held)).pipe(Effect.mapError(notStored))
    yield* context.audit.service.record({ type: "tool.revoked", data: { tool_id: opaqueId("tool", held.tenant, name) } })
  })

  const endAll = Effect.gen(function*() {
    const ended = all()
    if (ended.length === 0) return
    yield* keep([])
    yield* Effect.logWarning("tools that were let in on this machine are cut off", { tools: ended.length })
    yield* Effect.forEach(ended, ({ name, tenant }) => context.audit.service.record({ type: "tool.revoked", data: { tool_id: opaqueId("tool", tenant, name) } }), { discard: true })
  })

  const service: Tools["Service"] = {
    grant: (_, name, days) => turn.withPermits(1)(grant(name, days)),
    revoke: (_, name) => turn.withPermits(1)(revoke(name))
  }
  return {
    service,
    /** For ever; what cannot be done now is tried again. */
    run: Effect.forever(Effect.andThen(turn.withPermits(1)(Effect.ignore(look)), Effect.sleep(lookEvery))),
    /** Nobody reads along any more. */
    endAll: turn.withPermits(1)(endAll)
  }
})
