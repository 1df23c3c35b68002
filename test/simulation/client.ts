import { Cause, Effect, Exit, Option } from "effect"
import { history } from "../../projections/conversations/history.ts"
import { current } from "../../projections/conversations/queries.ts"
import { latestChange } from "../../projections/settings/queries.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { type Draft, selfTenant, type Written } from "../../streams/Backend.ts"
import type { Fact, FactOf } from "../../streams/catalog.ts"
import { compare } from "../../streams/Stamp.ts"
import type { TelemetryEvent } from "../../streams/telemetry.ts"
import { isoTime } from "../../streams/time.ts"
import type { Hosted } from "./hosted.ts"
import { personal } from "./invariants.ts"
import { Local } from "./local.ts"
import type { World } from "./world.ts"

/** Where people write: few enough for conflicts, one of them with an id that may not leave as it is. */
export const conversations = ["c0", "c1", "c2", `mail from ${personal}`]
export const messages = ["m0", "m1", "m2"]
const surfaces = ["web", "web", "cli", "ios"]

/** A person at a backend. Its reads and writes go the way a gateway's do: look, decide, write, read one's own write. */
export class Client {
  readonly #world: World
  readonly #at: Local | Hosted
  readonly #name: string
  /** The tenant in the log, and what the backend's tables call it. */
  readonly #tenant: string
  readonly #table: string

  constructor(world: World, at: Local | Hosted, tenant = world.tenantOf(at)) {
    this.#world = world
    this.#at = at
    this.#tenant = tenant.id
    this.#name = at.name
    this.#table = at instanceof Local ? selfTenant : this.#tenant
  }

  get #place() {
    const { dice } = this.#world.kernel
    // at a hosted backend only ids that may leave exist
    const known = this.#at instanceof Local ? conversations : conversations.slice(0, -1)
    return { tenant: this.#table, conversation: dice.pick(known), message: dice.pick(messages) }
  }

  #words(): string {
    const { dice } = this.#world.kernel
    return this.#at instanceof Local && dice.chance(0.2) ? `write to ${personal}, ${dice.below(1000)}` : `text ${dice.below(1000)}`
  }

  /** Add a message, or write an existing one again. */
  write(): void {
    const place = this.#place
    const content = this.#words()
    this.#decide("write", place.conversation, Effect.map(current(place), (shown) => [this.#fact(place.message, content, Option.getOrUndefined(shown))]), place.message)
  }

  #fact(message_id: string, content: string, shown: { readonly stamp: Written["stamp"] } | undefined): Fact {
    const data = { message_id, role: "user", content, timestamp: "2026-11-22T10:00:00Z" }
    return shown === undefined ? { type: "message.appended", data } : { type: "message.edited", data: { ...data, base: shown.stamp } }
  }

  remove(): void {
    const place = this.#place
    this.#decide("delete", place.conversation, Effect.map(current(place), (shown): ReadonlyArray<Fact> =>
      Option.isSome(shown) && !shown.value.deleted ? [{ type: "message.deleted", data: { message_id: place.message, base: shown.value.stamp } }] : []), place.message)
  }

  /** Bring back what an earlier write said. */
  restore(): void {
    const place = this.#place
    const { dice } = this.#world.kernel
    this.#decide("restore", place.conversation, Effect.map(Effect.all([current(place), history(place)]), ([shown, writes]) => {
      const said = writes.flatMap(({ content }) => content ?? [])
      return Option.isSome(shown) && said.length > 0 ? [this.#fact(place.message, dice.pick(said), shown.value)] : []
    }), place.message)
  }

  rename(): void {
    const title = this.#words()
    this.#decide("rename", this.#place.conversation, Effect.succeed([{ type: "conversation.renamed", data: { title } }]))
  }

  removeConversation(): void {
    this.#decide("hide", this.#place.conversation, Effect.succeed([{ type: "conversation.deleted", data: {} }]))
  }

  /** Several new messages at once, all or nothing. */
  bring(): void {
    const { dice } = this.#world.kernel
    const facts = Array.from({ length: 2 + dice.below(6) }, (): Fact => this.#fact(`i${this.#world.newId().slice(0, 8)}`, this.#words(), undefined))
    this.#decide("import", this.#place.conversation, Effect.succeed(facts))
  }

  settings(change: Omit<FactOf<"settings.changed">["data"], "base">): void {
    this.#world.settingsChanged = true
    this.#decide(`settings ${JSON.stringify(change)}`, "settings", Effect.map(latestChange(this.#table), (base): ReadonlyArray<Fact> =>
      [{ type: "settings.changed", data: { ...change, ...(base === undefined ? {} : { base }) } }]))
  }

  /** A program on this machine says how it does. */
  emit(): void {
    const at = this.#at
    const { dice, now, trace } = this.#world.kernel
    if (!(at instanceof Local) || at.parts === undefined) return
    const events = Array.from({ length: 1 + dice.below(4) }, (): TelemetryEvent => ({
      event_id: this.#world.newId(), event_type: "capture", session_id: "s", timestamp: isoTime(now), source_backend: "local", metadata: { n: dice.below(10) }
    }))
    this.#run("telemetry", Effect.map(at.parts.telemetry.store({ tenant: selfTenant, backendId: undefined }, events), (outcomes) => {
      const acked = outcomes.filter(({ status }) => status === "acked").map(({ event_id }) => event_id)
      for (const id of acked) this.#world.invariants.telemetry.set(id, at)
      trace.note(this.#name, `telemetry: told ${acked.length}`)
    }))
  }

  read(): void {
    const place = this.#place
    this.#run("read", Effect.asVoid(this.#look(place)))
  }

  /** What a reader is shown of a message: the stamp its write was made with. */
  #look(place: Parameters<typeof history>[0]) {
    return Effect.map(history(place), ([shown]) => {
      if (shown === undefined) return undefined
      const stamp = this.#world.invariants.stampOf(shown.event_id)
      this.#world.invariants.read(this.#name, `${this.#tenant}/${place.conversation}/${place.message}`, stamp)
      return stamp
    })
  }

  #decide(what: string, conversation: string, facts: Effect.Effect<ReadonlyArray<Fact>, unknown, Sqlite>, message?: string): void {
    const world = this.#world
    const at = this.#at
    const surface = world.kernel.dice.pick(surfaces)
    this.#run(what, Effect.gen({ self: this }, function*() {
      const drafts = (yield* facts).map((fact): Draft => ({ fact, subject: conversation, surface: at instanceof Local ? surface : "hosted", id: world.newId() }))
      if (drafts.length === 0) return
      const written = yield* at instanceof Local ? at.parts!.journal.write(drafts) : at.parts!.own.write(this.#tenant, drafts)
      world.invariants.told(this.#name, this.#tenant, drafts, written)
      world.kernel.trace.note(this.#name, `${what}: told ${written.map(({ position, stamp }) => `${position}/${stamp.lamport}`).join(" ")}`)
      if (!(at instanceof Local) || message === undefined) return
      yield* at.settled
      const shown = yield* this.#look({ tenant: this.#table, conversation, message })
      if (shown === undefined || compare(shown, written.at(-1)!.stamp) < 0) world.kernel.fail(5, `${at.name} does not read its own write of ${conversation} ${message}`)
    }))
  }

  #run(what: string, effect: Effect.Effect<void, unknown, Sqlite>): void {
    const { kernel } = this.#world
    const { parts, process } = this.#at
    if (parts === undefined || process === undefined) return
    process.run(Effect.provideService(effect, Sqlite, parts.sqlite), (exit) => {
      if (Exit.isSuccess(exit)) return
      // a store that does not answer, or is full, may refuse; a defect may not be
      if (Cause.hasDies(exit.cause)) kernel.fail(0, `${this.#name}: ${what}: ${Cause.pretty(exit.cause)}`)
      else kernel.trace.note(this.#name, `${what}: refused`)
    })
  }
}
